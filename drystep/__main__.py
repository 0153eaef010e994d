"""`python -m drystep`."""

from drystep.commands.cli import program

if __name__ == "__main__":
    program()
