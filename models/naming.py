"""Unknown names are answered with the known ones."""

from collections.abc import Iterable


def choose(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` if it is one of `valid`; otherwise raise `ValueError` that lists them."""
    valid = list(valid)
    if name not in valid:
        raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(valid)}")
    return name
