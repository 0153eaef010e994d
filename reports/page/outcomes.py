"""What the page shows of results: settings, and what each method needs in them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.cells import MISSING
from reports.page.batches import case_of, largest_batches
from reports.records import label_of, labels, method_key, settings_of
from reports.tables import TASKS
from reports.units import MIB

SIMULATED = "simulated"
PROVENANCE = {"simulate": SIMULATED, "cpu": "measured on a CPU", "cuda": "measured on a GPU"}
"""Engine -> what its figures are; another engine stands there by its name."""
BEYOND_REASON = 1e18
"""No size in bytes and no time in milliseconds is as large."""
IN_EVERY_TITLE = ("backbone", "batch_size", "image_size")


@dataclass(frozen=True)
class Fit:
    """Whether a method fits one card."""

    verdict: str
    usable_bytes: float | None
    reserved_bytes: float | None
    largest_batch: str = ""
    """The largest batch that is known to fit, with a plus where none larger was tried; "" where one size is known."""

    @property
    def headroom_bytes(self) -> float | None:
        """What is left of the card's memory at the peak."""
        if self.usable_bytes is None or self.reserved_bytes is None:
            return None
        return self.usable_bytes - self.reserved_bytes

    @property
    def is_fit(self) -> bool:
        """Whether the step runs on the card, with retries or without."""
        return self.verdict in ("fits", "fits_with_retries")


@dataclass(frozen=True)
class Outcome:
    """What one method needs in one setting."""

    key: str
    family: str
    """Key of the method of which it is a form, or its own: forms of one method have one colour."""
    label: str
    status: str
    reserved_bytes: float | None
    """On a card without limit; None where it is not known."""
    at_peak: Mapping[str, float]
    """Bytes allocated at the peak, by kind."""
    fits: Mapping[str, Fit]
    predicted_ms: Mapping[str, float]
    scaled: frozenset[str]
    """Cards whose predicted time rests on operators that were measured on another card."""
    measured_ms: float | None


@dataclass(frozen=True)
class Setting:
    """Results that differ in the method alone."""

    title: str
    provenance: str
    memory_provenance: str
    """A step that really ran on a CPU tells its time; its memory on a GPU is simulated all the same."""
    facts: Sequence[tuple[str, str]]
    outcomes: Sequence[Outcome]
    cards: Sequence[tuple[str, float | None]]
    """Names and usable bytes, the smallest first."""

    @property
    def full(self) -> Outcome | None:
        """The outcome of full fine-tuning."""
        return next((outcome for outcome in self.outcomes if outcome.key == "full"), None)


def settings_in(frame: pd.DataFrame) -> list[Setting]:
    """The settings of a frame of results. The one in which most methods have a verdict of some card is the first."""
    names = [name for name in settings_of(frame) if name != "task"]
    whole = frame[frame["variant"] == ""]  # ablations have tables of their own
    rows = [
        {str(name): value for name, value in row.items()}
        for row in (frame if whole.empty else whole).to_dict("records")
    ]
    batches = largest_batches(rows, names)
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = tuple(str(row[name]) for name in ("task", "engine", *names))
        groups.setdefault(key, []).append(row | {"largest_batches": batches.get(case_of(row, names), {})})
    latest = [list({row["method"]: row for row in rows}.values()) for rows in groups.values()]
    titles = _titles([rows[0] for rows in latest], names)
    settings = [_setting(title, rows, names) for title, rows in zip(titles, latest, strict=True)]
    return sorted(settings, key=_worth, reverse=True)


def _worth(setting: Setting) -> tuple[int, int]:
    return sum(bool(outcome.fits) for outcome in setting.outcomes), len(setting.outcomes)


def _titles(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """A title per setting: what it is about, and what of it is unusual beside others that are about the same."""
    about = [_about(row) for row in rows]
    usual = {name: _usual([str(row[name]) for row in rows]) for name in ("engine", *names)}
    varies: dict[str, list[str]] = {}
    for text in dict.fromkeys(about):
        same = [row for row, other in zip(rows, about, strict=True) if other == text]
        others = [name for name in ("engine", *names) if name not in IN_EVERY_TITLE]
        varies[text] = [name for name in others if len({str(row[name]) for row in same}) > 1]
    return [
        ", ".join(
            [text, *(f"{_words(name)} {_said(row[name])}" for name in varies[text] if str(row[name]) != usual[name])]
        )
        for row, text in zip(rows, about, strict=True)
    ]


def _usual(values: Sequence[str]) -> str | None:
    """The value that more than half have."""
    value, count = Counter(values).most_common(1)[0] if values else (None, 0)
    return value if 2 * count > len(values) else None


def _about(row: Mapping[str, Any]) -> str:
    count = row.get("batch_size", MISSING)
    images = "1 image" if count == 1 else f"{_said(count)} images"
    task = TASKS.get(row["task"], row["task"])
    return f"{task}, {row.get('backbone', MISSING)}, {images} of {row.get('image_size', MISSING)}"


def _setting(title: str, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Setting:
    order = {key: position for position, key in enumerate(labels())}
    in_order = sorted(rows, key=lambda row: order.get(method_key(row["base"]), len(order)))
    outcomes = [_outcome(row) for row in in_order]
    engine = rows[0]["engine"]
    facts = [("task", rows[0]["task"]), ("engine", engine)] + [(name, _said(rows[0][name])) for name in names]
    return Setting(
        title,
        PROVENANCE.get(engine, engine),
        SIMULATED if engine == "cpu" else PROVENANCE.get(engine, engine),
        [(_words(name), str(value)) for name, value in facts],
        outcomes,
        _cards(outcomes),
    )


def _cards(outcomes: Iterable[Outcome]) -> list[tuple[str, float | None]]:
    usable: dict[str, float | None] = {}
    for outcome in outcomes:
        for card, fit in outcome.fits.items():
            if usable.get(card) is None:
                usable[card] = fit.usable_bytes
    return sorted(usable.items(), key=lambda card: math.inf if card[1] is None else card[1])


def _outcome(row: Mapping[str, Any]) -> Outcome:
    reserved_mib = figure(row["reserved_mib"])
    known = reserved_mib is not None and row["status"] == "ok"
    times = {card: figure(time.get("step_ms")) for card, time in row["predicted"].items() if time}
    return Outcome(
        method_key(row["method"]),
        method_key(row["method"] if row["variant"] else row["base"]),
        _label(row),
        row["status"],
        reserved_mib * MIB if known and reserved_mib is not None else None,
        {kind: size for kind, value in row["at_peak"].items() if (size := figure(value)) is not None},
        {card: _fit(fit, row["largest_batches"].get(card, "")) for card, fit in row["fits"].items() if fit},
        {card: time for card, time in times.items() if time is not None},
        frozenset(card for card, time in row["predicted"].items() if time and time.get("scaled") is True),
        figure(row["step_ms"]),
    )


def _label(row: Mapping[str, Any]) -> str:
    """The paper's name of a method; where it has several forms, which one was measured."""
    is_form = row["form"] and not row["variant"]
    return f"{label_of(row['base'])} ({row['form']})" if is_form else label_of(row["method"])


def _fit(fit: Mapping[str, Any], largest_batch: str) -> Fit:
    verdict = str(fit.get("verdict") or "")
    return Fit(verdict, figure(fit.get("usable_bytes")), figure(fit.get("peak_reserved_bytes")), largest_batch)


def figure(value: object) -> float | None:
    """A size or time that can be one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < BEYOND_REASON:
        return None
    return float(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _said(value: object) -> str:
    """A setting's value; numbers that a missing neighbour made fractions are whole again."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
