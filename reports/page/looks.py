"""Looks of methods and of kinds of memory: each has its own, the same in all pictures of the page.

The colours themselves stand in the style sheet, once for light and once for dark screens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.page.outcomes import Setting
from reports.records import labels

COLOURS = 14
"""Classes `m0`, `m1`, ... of the style sheet."""
SHAPES = ("circle", "square", "diamond", "triangle")
KINDS = {
    "parameters": "parameters",
    "gradients": "gradients",
    "optimizer_state": "optimizer state",
    "activations": "activations",
    "inputs": "images and targets",
    "workspace": "workspaces",
    "other": "temporary",
}
"""Kind of memory, which is its class in the style sheet as well, -> its name."""


@dataclass(frozen=True)
class Look:
    """How a method is drawn: no two of the first 28 have both in common."""

    colour: str
    shape: str


def looks_of(settings: Iterable[Setting]) -> dict[str, Look]:
    """Method key -> its look: the paper's methods in its order, then others as they come."""
    found = [outcome.key for setting in settings for outcome in setting.outcomes]
    keys: Sequence[str] = list(dict.fromkeys([*labels(), *found]))
    return {
        key: Look(f"m{number % COLOURS}", SHAPES[(number + number // COLOURS) % len(SHAPES)])
        for number, key in enumerate(keys)
    }
