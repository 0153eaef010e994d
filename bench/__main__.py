"""`python -m bench`, in the checkout. `prove` needs none of the packages of the other commands, and waits for none."""

import sys

from drystep.commands.program.interruption import leave

if __name__ == "__main__":
    if sys.argv[1:2] == ["prove"]:
        from bench.commands.prove import main as main_of_prove

        leave(main_of_prove(sys.argv[2:]))
    from bench.commands.cli import main

    leave(main())
