"""``python -m deadpan``, the same as ``deadpan``."""

import sys

from deadpan.cli import main

if __name__ == "__main__":
    sys.exit(main())
