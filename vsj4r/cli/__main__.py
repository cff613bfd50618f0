"""``python -m vsj4r.cli``, the same as ``vsj4r``."""

from vsj4r.cli.app import main

main()
