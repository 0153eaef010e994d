"""The matrix of methods by cards: a symbol, a class of looks and words for each cell."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.cells import MISSING
from reports.page.outcomes import Fit, Outcome, Setting
from reports.units import GIB

SYMBOLS = {
    "fits": ("✓", "fits", "fits"),
    "fits_with_retries": ("≈", "retries", "fits after retries"),
    "oom": ("✕", "oom", "out of memory"),
    "depends": ("?", "unsure", "depends on the convolution algorithms that are chosen"),
}
"""Verdict -> its symbol, its class in the style sheet, and words."""
MINUS = "\u2212"


@dataclass(frozen=True)
class Cell:
    """One method on one card."""

    symbol: str
    look: str
    words: str
    figure: str
    """GiB left; for a step that is out of memory the GiB that are missing, with a minus; "" where unknown."""
    value: float | None
    """The same as a number, by which a reader may sort."""
    batch: str = ""
    """The largest batch that is known to fit."""


@dataclass(frozen=True)
class MatrixRow:
    """One method on all cards."""

    outcome: Outcome
    needs: str
    cells: Sequence[Cell]


def matrix(setting: Setting) -> list[MatrixRow]:
    """A row per method, a cell per card of the setting."""
    return [
        MatrixRow(outcome, _needs(outcome), [cell(outcome, card) for card, _ in setting.cards])
        for outcome in setting.outcomes
    ]


def cell(outcome: Outcome, card: str) -> Cell:
    """What a method does on a card."""
    fit = outcome.fits.get(card)
    if fit is None or not fit.verdict:
        return Cell(MISSING, "none", "no figure", "", None)
    symbol, look, words = SYMBOLS.get(fit.verdict, ("?", "unsure", fit.verdict.replace("_", " ")))
    room = _room_gib(outcome, fit)
    return Cell(symbol, look, words, "" if room is None else gib(room), room, fit.largest_batch)


def _room_gib(outcome: Outcome, fit: Fit) -> float | None:
    if fit.verdict != "oom":
        return None if fit.headroom_bytes is None else fit.headroom_bytes / GIB
    # What was reserved when memory ran out says nothing of what is missing: a card without limit does.
    if outcome.reserved_bytes is None or fit.usable_bytes is None or outcome.reserved_bytes <= fit.usable_bytes:
        return None
    return (fit.usable_bytes - outcome.reserved_bytes) / GIB


def gib(size: float) -> str:
    """A size in GiB with one digit behind the point, and a real minus."""
    text = f"{abs(size):.1f}"
    return f"{MINUS}{text}" if size < 0 and float(text) else text


def _needs(outcome: Outcome) -> str:
    if outcome.reserved_bytes is not None:
        return gib(outcome.reserved_bytes / GIB)
    return "OOM" if outcome.status == "oom" else MISSING
