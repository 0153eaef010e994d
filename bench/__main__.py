"""`python -m bench`, in the checkout."""

from bench.commands.cli import main
from drystep.commands.interruption import leave

if __name__ == "__main__":
    leave(main())
