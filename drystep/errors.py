"""The error that a step gets which cannot be simulated, and the answer to an unknown name."""

from collections.abc import Iterable


class SimulationError(ValueError):
    """A training step that cannot be simulated."""


def choose(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` if it is one of `valid`.

    `kind` is what the name stands for, such as "method". Raises `ValueError` that lists the valid names.
    """
    valid = list(valid)
    if name not in valid:
        raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(valid)}")
    return name
