"""Looks of methods and of kinds of memory: each has its own, the same in all pictures of the page.

The colours themselves stand in the style sheet, once for light and once for dark screens.
"""

from collections.abc import Iterable
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
    """How a method is drawn: no two of 28 methods have both in common, and no two forms of one method."""

    colour: str
    shape: str


def looks_of(settings: Iterable[Setting]) -> dict[str, Look]:
    """Method key -> its look: the paper's methods in its order, then others as they come.

    Forms of one method have its colour, and a shape each.
    """
    forms: dict[str, dict[str, None]] = {key: {key: None} for key in labels()}
    for outcome in (outcome for setting in settings for outcome in setting.outcomes):
        forms.setdefault(outcome.family, {})[outcome.key] = None
    return {
        key: Look(f"m{number % COLOURS}", SHAPES[(number + number // COLOURS + form) % len(SHAPES)])
        for number, keys in enumerate(forms.values())
        for form, key in enumerate(keys)
    }
