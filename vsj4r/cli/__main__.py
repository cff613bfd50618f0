"""``python -m vsj4r.cli``, the same as ``vsj4r``."""

from vsj4r.cli.app import main

if __name__ == "__main__":  # the workers of a batch import this file again
    main()
