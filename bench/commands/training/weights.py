"""`--pretrained [FILE]`: an option that may stand without its value, which typer does not know."""

from collections.abc import Sequence
from itertools import zip_longest

from bench.training.names import PRETRAINED

OPTION = "--pretrained"


def naming_weights(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the default weights named where the option stands without a file."""
    named = []
    for argument, following in zip_longest(arguments, arguments[1:]):
        named.append(argument)
        if argument == OPTION and (following is None or following.startswith("-")):
            named.append(PRETRAINED)
    return named
