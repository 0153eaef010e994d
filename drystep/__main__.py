"""`python -m drystep`."""

import sys

from drystep.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
