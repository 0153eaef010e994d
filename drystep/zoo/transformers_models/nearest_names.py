"""Unknown names, answered by the nearest of many valid ones."""

import difflib
from collections.abc import Iterable

MOST_NAMES = 5
LEAST_ALIKE = 0.5
"""Similarity, from 0 to 1, that a name needs to be suggested."""


def nearest(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` if it is one of `valid`. Raises `ValueError` that names the most similar ones, whatever the case."""
    by_lower = {other.lower(): other for other in sorted(valid)}
    if name in by_lower.values():
        return name
    found = difflib.get_close_matches(name.lower(), by_lower, MOST_NAMES, LEAST_ALIKE)
    near = f": the nearest are {', '.join(by_lower[other] for other in found)}" if found else ""
    raise ValueError(f"unknown {kind} {name!r}{near}")
