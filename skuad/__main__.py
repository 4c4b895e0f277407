"""The command line as a module: ``python -m skuad``."""

import sys

from skuad.cli import main

if __name__ == "__main__":
    sys.exit(main())
