"""Errors of drystep that are sentences for its user, and the answer to an unknown name."""

from collections.abc import Iterable

LONGEST_MESSAGE = 2000
"""Characters that are kept of a message that somebody else wrote."""


class SimulationError(ValueError):
    """A training step that cannot be simulated."""


class OutputError(Exception):
    """An output could not be written after its work was done; a command line ends with exit status 1."""


def choose(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` if it is one of `valid`.

    `kind` is what the name stands for, such as "method". Raises `ValueError` that lists the valid names.
    """
    valid = list(valid)
    if name not in valid:
        raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(valid)}")
    return name


def counted(count: int, noun: str) -> str:
    """A number with what it counts, such as "1 answer" or "2,000 answers"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def shortened(message: str) -> str:
    """The beginning of a message, and how long it is, where it is longer than a message may be."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[:LONGEST_MESSAGE]}... ({len(message):,} characters)"
