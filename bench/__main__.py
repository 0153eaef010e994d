"""`python -m bench`, in the checkout."""

import sys

from bench.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
