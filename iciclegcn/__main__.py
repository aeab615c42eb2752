"""``python -m iciclegcn``."""

import sys

from iciclegcn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
