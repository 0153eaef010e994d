"""The largest batch that fits each card, among results that differ in the batch size alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FITTING = ("fits", "fits_with_retries")
NO_LARGER = "+"
"""Behind a size beyond which no result is known."""
Sizes = Mapping[tuple[Any, ...], Mapping[str, str]]


def largest_batches(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Sizes:
    """For each case without its batch size, the largest batch that fits each card, as text.

    Where only one size is known, there is nothing to say.
    """
    known: dict[tuple[Any, ...], dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        if type(row.get("batch_size")) is int:
            known.setdefault(case_of(row, names), {})[row["batch_size"]] = row["fits"]
    return {case: _per_card(sizes) for case, sizes in known.items() if len(sizes) > 1}


def case_of(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """What a result is about, but for the batch size."""
    return tuple(str(row[name]) for name in ("task", "engine", "method", *names) if name != "batch_size")


def _per_card(sizes: Mapping[int, Mapping[str, Any]]) -> dict[str, str]:
    cards = dict.fromkeys(card for fits in sizes.values() for card in fits)
    return {card: text for card in cards if (text := _largest(sizes, card))}


def _largest(sizes: Mapping[int, Mapping[str, Any]], card: str) -> str:
    judged = {size: (fits.get(card) or {}).get("verdict") for size, fits in sizes.items() if card in fits}
    fitting = [size for size, verdict in judged.items() if verdict in FITTING]
    if not fitting:
        return ""
    return f"{max(fitting)}{NO_LARGER if max(fitting) == max(judged) else ''}"
