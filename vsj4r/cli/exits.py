"""Exit codes of every command."""

DONE, FAILED, BAD_USAGE = 0, 1, 2
# 128 and the signal's number; 129 too, but for a batch
INTERRUPTED, TERMINATED = 130, 143
