"""A published figure of a training step beside the simulation of the rebuilt step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from drystep.gpus.classes import Gpu, select_gpus
from drystep.simulation import Simulation
from drystep.simulator import simulate
from drystep.validation.field_reports.rivals import accelerate_bytes, memtracker_bytes
from drystep.validation.field_reports.rows import Report

Judged = Literal["right", "wrong", "undecided"]
UNDECIDED = "depends"
"""The verdict where the choice among algorithms of convolutions decides."""
MAKERS = ("nvidia", "geforce", "tesla", "quadro")
"""Words before the name of a card that some people write."""


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
    least_bytes: int | None
    """Least and most of a peak, between which the choice among algorithms of convolutions decides."""
    most_bytes: int | None
    measured_bytes: int | None
    rounding_bytes: int
    by_trial: bool
    """Whether cuDNN chose these algorithms by trial (cudnn.benchmark), so that a peak has an interval and no error."""
    predicted_verdict: str
    """On the card; "" for other quantities."""
    measured_verdict: str
    usable_bytes: int | None
    """Of the card; None where its class is not known."""
    accelerate_bytes: int | None
    """What `accelerate estimate-memory` says, for peaks and verdicts."""
    memtracker_bytes: int | None
    """Peak of PyTorch's MemTracker, where it was asked and could tell."""
    memtracker_message: str
    """Why MemTracker could not tell."""
    seconds: float
    """Time of the simulation, without that of the other estimators."""

    @property
    def error_percent(self) -> float | None:
        """Signed error; None for a verdict."""
        return self.error_of(self.predicted_bytes)

    @property
    def accelerate_error_percent(self) -> float | None:
        """Signed error of `accelerate estimate-memory`; None for a verdict."""
        return self.error_of(self.accelerate_bytes)

    @property
    def memtracker_error_percent(self) -> float | None:
        """Signed error of MemTracker; None where it said nothing."""
        return self.error_of(self.memtracker_bytes)

    def error_of(self, predicted_bytes: int | None) -> float | None:
        """Signed error of somebody's prediction; None for a verdict."""
        if predicted_bytes is None or not self.measured_bytes:
            return None
        return 100 * (predicted_bytes / self.measured_bytes - 1)

    @property
    def within_rounding(self) -> bool | None:
        """Whether the prediction, rounded as the figure was published, is that figure; None for a verdict."""
        return self._between(self.predicted_bytes, self.predicted_bytes)

    @property
    def within_interval(self) -> bool | None:
        """Whether the figure, as it was rounded, lies in the interval; None for what has none."""
        return self._between(self.least_bytes, self.most_bytes)

    def _between(self, least_bytes: int | None, most_bytes: int | None) -> bool | None:
        if least_bytes is None or most_bytes is None or self.measured_bytes is None:
            return None
        return least_bytes - self.rounding_bytes <= self.measured_bytes <= most_bytes + self.rounding_bytes

    @property
    def judged(self) -> Judged | None:
        """Whether the verdict is right, or whether the choice among algorithms decides it; None without a verdict."""
        if not self.measured_verdict or not self.predicted_verdict:
            return None
        if self.predicted_verdict == UNDECIDED:
            return "undecided"
        return "right" if (self.predicted_verdict == "oom") == (self.measured_verdict == "oom") else "wrong"

    def verdict_of(self, predicted_bytes: int | None) -> str:
        """What somebody's predicted memory says of the card: "fits" or "oom"; "" if it says nothing."""
        if not self.measured_verdict or predicted_bytes is None or self.usable_bytes is None:
            return ""
        return "oom" if predicted_bytes > self.usable_bytes else "fits"


def check_report(report: Report, family: Callable[..., Any], with_memtracker: bool = False) -> ReportCheck:
    """Simulate the step that `family` rebuilds from the row's arguments, by the row's rules and on its card.

    Raises `ValueError` for a step that cannot be rebuilt or simulated, and for a verdict of an unknown card.
    """
    start = time.perf_counter()
    build_step = _rebuilt(family, report)
    card = class_named(report.card)
    if report.verdict and card is None:
        known = ", ".join(gpu.name for gpu in select_gpus())
        raise ValueError(f"its verdict needs a card of a known class, not {report.card!r}: choose from {known}")
    rules = replace(report.rules, card=card) if card else report.rules
    simulation = simulate(build_step, rules, report.precision, gpus=[card or _roomiest()])
    least_bytes, most_bytes = _interval(simulation, report.quantity)
    seconds = time.perf_counter() - start
    tracked, message = None, ""
    if with_memtracker and least_bytes is not None:
        tracked, message = memtracker_bytes(build_step, simulation.trace)
    return ReportCheck(
        id=report.id,
        family=report.rebuild,
        quantity=report.quantity,
        rules=rules.title,
        precision=report.precision,
        predicted_bytes=_quantity(simulation, report.quantity),
        least_bytes=least_bytes,
        most_bytes=most_bytes,
        measured_bytes=report.measured_bytes,
        rounding_bytes=report.rounding_bytes,
        by_trial=rules.cudnn_benchmark,
        predicted_verdict=simulation.fits[card.name].verdict if card and report.verdict else "",
        measured_verdict=report.verdict,
        usable_bytes=simulation.fits[card.name].usable_bytes if card else None,
        accelerate_bytes=None if report.quantity == "allocated_after_step" else accelerate_bytes(simulation.trace),
        memtracker_bytes=tracked,
        memtracker_message=message,
        seconds=seconds,
    )


def class_named(card: str) -> Gpu | None:
    """The class of a card as people write its name, such as "V100-32GB" or "RTX 3090".

    None if it is not known, and where only the size of its memory, which the name leaves out, tells classes apart.
    """
    wanted = _plain(card)
    named = [gpu for gpu in select_gpus() if wanted in (_plain(gpu.name), _plain(gpu.name.rpartition("-")[0]))]
    return named[0] if len(named) == 1 else None


def _plain(name: str) -> str:
    words = "".join(character if character.isalnum() else " " for character in name.lower()).split()
    return "".join(word for word in words if word not in MAKERS)


def _roomiest() -> Gpu:
    """A class for a step whose card is not known: the simulation of the step does not depend on it."""
    return max(select_gpus(), key=lambda gpu: gpu.usable_bytes)


def _rebuilt(family: Callable[..., Any], report: Report) -> Callable[..., Any]:
    try:
        build_step = family(*report.args)
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{report.rebuild}{report.args} raised {said}") from error
    if not callable(build_step):
        raise ValueError(f"{report.rebuild}{report.args} must return build_step(device), not {build_step!r}")
    return build_step


def _quantity(simulation: Simulation, quantity: str) -> int | None:
    figures = {
        "peak_allocated": simulation.peak_allocated_bytes,
        "peak_reserved": simulation.peak_reserved_bytes,
        "allocated_after_step": simulation.allocated_after_step_bytes,
    }
    return figures.get(quantity)


def _interval(simulation: Simulation, quantity: str) -> tuple[int, int] | tuple[None, None]:
    if quantity == "peak_allocated":
        return simulation.peak_allocated_interval_bytes
    return simulation.peak_reserved_interval_bytes if quantity == "peak_reserved" else (None, None)
