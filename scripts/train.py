"""``vsj4r train`` as a file, for torchrun:

torchrun --nproc-per-node 2 -- scripts/train.py scripts/recipes/j4r.toml --data DATA --run runs/j4r
"""

from __future__ import annotations

import sys

from vsj4r.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    main()
