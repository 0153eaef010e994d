"""`python -m bench`."""

import sys

from bench.cli import main

if __name__ == "__main__":  # processes that the suite starts import this file too
    sys.exit(main())
