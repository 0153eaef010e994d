"""Typical factors: where every fit starts, and what stands in for groups that no measured step had."""

import csv
import functools
from pathlib import Path

from drystep.time.calibrated.resources import Key

FILE = Path(__file__).with_name("typical.csv")
ANY = ""
"""Group of the row that holds for all groups without one of their own."""


def typical_factor(key: Key) -> float:
    """The factor of the longest row whose name begins the group's: "batch_norm" holds for "batch_norm.forward.nchw"."""
    group, resource = key
    parts = group.split(".")
    for length in range(len(parts), -1, -1):
        found = _rows().get((".".join(parts[:length]), resource))
        if found is not None:
            return found
    raise ValueError(f"{FILE.name} has no row for {resource} of all groups")


@functools.cache
def _rows() -> dict[tuple[str, str], float]:
    with FILE.open(newline="", encoding="utf-8") as file:
        return {(row["group"], row["resource"]): float(row["factor"]) for row in csv.DictReader(file)}
