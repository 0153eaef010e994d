"""Tables of what the page shows of settings: for the page's step times, and for files."""

from collections.abc import Iterable, Sequence

from reports.cells import MISSING, Column
from reports.page.outcomes import Outcome, Setting
from reports.page.verdicts import MINUS, cell, gib
from reports.tables import Table
from reports.units import GIB

PREDICTED = "predicted"
SCALED = "*"
"""Beside a time that rests on operators of another card."""


def times_of(outcome: Outcome, cards: Sequence[str]) -> list[str]:
    """Predicted milliseconds of a step on each card."""
    return [
        f"{outcome.predicted_ms[card]:,.1f}".replace(",", " ") + SCALED * (card in outcome.scaled)
        if card in outcome.predicted_ms
        else MISSING
        for card in cards
    ]


def timed_cards(settings: Iterable[Setting]) -> list[str]:
    """Cards for which some step time is predicted."""
    found = (card for setting in settings for outcome in setting.outcomes for card in outcome.predicted_ms)
    return list(dict.fromkeys(found))


def fits_table(settings: Sequence[Setting]) -> Table | None:
    """All matrices below each other."""
    cards = list(dict.fromkeys(card for setting in settings for card, _ in setting.cards))
    rows = [(setting, outcome) for setting in settings for outcome in setting.outcomes if outcome.fits]
    if not rows:
        return None
    columns: list[Column] = [
        *_names(rows, [setting.memory_provenance for setting, _ in rows]),
        ("GiB needed", [_gib_or_missing(outcome.reserved_bytes) for _, outcome in rows]),
        *((f"{card}, GiB left", [_verdict(outcome, card) for _, outcome in rows]) for card in cards),
    ]
    return Table("Which method fits which card", "", columns)


def times_table(settings: Sequence[Setting]) -> Table | None:
    """All predicted step times below each other."""
    cards = timed_cards(settings)
    rows = [(setting, outcome) for setting in settings for outcome in setting.outcomes if outcome.predicted_ms]
    if not rows:
        return None
    cells = list(zip(*(times_of(outcome, cards) for _, outcome in rows), strict=True))
    columns = [(f"{card} ms", list(times)) for card, times in zip(cards, cells, strict=True)]
    return Table("Predicted step times", "", [*_names(rows, [PREDICTED] * len(rows)), *columns])


def _names(rows: Sequence[tuple[Setting, Outcome]], provenances: list[str]) -> list[Column]:
    return [
        ("Setting", [setting.title for setting, _ in rows]),
        ("figures are", provenances),
        ("Method", [outcome.label for _, outcome in rows]),
    ]


def _verdict(outcome: Outcome, card: str) -> str:
    found = cell(outcome, card)
    return " ".join(part for part in (found.words, found.figure.replace(MINUS, "-")) if part)


def _gib_or_missing(size: float | None) -> str:
    return MISSING if size is None else gib(size / GIB)
