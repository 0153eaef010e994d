"""Published memory beside the simulation of the rebuilt step, and a summary per family of steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from drystep.gpus.classes import Gpu, select_gpus
from drystep.simulation import Simulation
from drystep.simulator import simulate
from drystep.validation.reports import Report
from drystep.zoo.python_file import load_function


@dataclass(frozen=True)
class ReportCheck:
    """Predicted and published memory of one step."""

    id: str
    family: str
    """Function that rebuilt the step."""
    quantity: str
    rules: str
    precision: str
    predicted_bytes: int | None
    """The quantity as simulated; None for a verdict."""
    measured_bytes: int | None
    rounding_bytes: int
    predicted_verdict: str
    """On the card, where it is a known class; "" otherwise."""
    measured_verdict: str
    seconds: float

    @property
    def error_percent(self) -> float | None:
        """Signed error; None for a verdict."""
        if self.predicted_bytes is None or not self.measured_bytes:
            return None
        return 100 * (self.predicted_bytes / self.measured_bytes - 1)

    @property
    def within_rounding(self) -> bool | None:
        """Whether the prediction, rounded as the figure was published, is that figure; None for a verdict."""
        if self.predicted_bytes is None or self.measured_bytes is None:
            return None
        return abs(self.predicted_bytes - self.measured_bytes) <= self.rounding_bytes

    @property
    def right(self) -> bool | None:
        """Whether the verdict is right; None where there is none to compare."""
        if not self.measured_verdict or not self.predicted_verdict:
            return None
        return (self.predicted_verdict == "oom") == (self.measured_verdict == "oom")


@dataclass(frozen=True)
class ReportSummary:
    """Checks of one family."""

    family: str
    rows: int
    median_percent: float | None
    """Median of the absolute errors; the next is of the absolute errors as well."""
    max_percent: float | None
    within_rounding: int
    verdicts_right: int
    verdicts: int


def check_report(report: Report, rebuilds: Path) -> ReportCheck:
    """Simulate a rebuilt step by the row's rules. Raises `ValueError` for a step that cannot be rebuilt or simulated.

    The file's code runs in this process.
    """
    start = time.perf_counter()
    build_step = _rebuilt(load_function(f"{rebuilds}:{report.rebuild}"), report)
    card = class_named(report.card)
    simulation = simulate(build_step, report.rules, report.precision, gpus=[card] if card else [])
    fits = simulation.fits.get(card.name) if card else None
    return ReportCheck(
        id=report.id,
        family=report.rebuild,
        quantity=report.quantity,
        rules=report.rules.title,
        precision=report.precision,
        predicted_bytes=_quantity(simulation, report.quantity),
        measured_bytes=report.measured_bytes,
        rounding_bytes=report.rounding_bytes,
        predicted_verdict=fits.verdict if fits and report.verdict else "",
        measured_verdict=report.verdict,
        seconds=time.perf_counter() - start,
    )


def summarise_reports(checks: Sequence[ReportCheck]) -> list[ReportSummary]:
    """A summary per family, in the order in which they first occur."""
    families = dict.fromkeys(check.family for check in checks)
    return [_summary(family, [check for check in checks if check.family == family]) for family in families]


def class_named(card: str) -> Gpu | None:
    """The class of a card as people write its name, such as "V100-32GB" or "RTX 3090"; None if it is not known."""
    wanted = _plain(card)
    return next((gpu for gpu in select_gpus() if wanted and _plain(gpu.name).startswith(wanted)), None)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _rebuilt(function: Callable[..., Any], report: Report) -> Callable[..., Any]:
    try:
        return function(*report.args)
    except Exception as error:
        raise ValueError(f"{report.rebuild}{report.args} raised {type(error).__name__}: {error}") from error


def _quantity(simulation: Simulation, quantity: str) -> int | None:
    figures = {
        "peak_allocated": simulation.peak_allocated_bytes,
        "peak_reserved": simulation.peak_reserved_bytes,
        "allocated_after_step": simulation.allocated_after_step_bytes,
    }
    return figures.get(quantity)


def _summary(family: str, checks: Sequence[ReportCheck]) -> ReportSummary:
    errors = [abs(check.error_percent) for check in checks if check.error_percent is not None]
    verdicts = [check.right for check in checks if check.right is not None]
    return ReportSummary(
        family=family,
        rows=len(checks),
        median_percent=median(errors) if errors else None,
        max_percent=max(errors) if errors else None,
        within_rounding=sum(check.within_rounding is True for check in checks),
        verdicts_right=sum(verdicts),
        verdicts=len(verdicts),
    )
