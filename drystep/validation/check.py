"""Comparison of a measured run with its simulation, and summaries of many such comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

Quantity = Literal["reserved", "allocated"]


@dataclass(frozen=True)
class Check:
    """Predicted and measured (or published) memory of one run."""

    id: str
    group: str
    """Rows summarised together, such as "cnn"."""
    quantity: Quantity
    predicted_bytes: int
    """Peak with the workspaces of convolutions, under the device's limit; up to the failure if out of memory."""
    lean_bytes: int
    """The same without these workspaces."""
    measured_bytes: int
    """Measured peak, up to the failure if the run ran out of memory."""
    predicted_oom: bool
    measured_oom: bool | None
    """None if no limit was tried."""
    capped_right: int
    """Number of repetitions under a smaller limit whose verdict the simulation predicts correctly."""
    capped_runs: int
    seconds: float
    """Time of the simulation: building, tracing and replaying."""

    @property
    def error_percent(self) -> float | None:
        """Signed error; None if the run ran out of memory, because it has no peak to compare with then."""
        if self.measured_oom:
            return None
        return 100 * (self.predicted_bytes / self.measured_bytes - 1)

    @property
    def right_about_oom(self) -> bool | None:
        """Whether the verdict for the whole device is right; None if none was measured."""
        return None if self.measured_oom is None else self.predicted_oom == self.measured_oom


@dataclass(frozen=True)
class Summary:
    """Summary of a group of checks."""

    group: str
    quantity: Quantity
    runs: int
    compared: int
    """Runs with a measured peak."""
    median_percent: float | None
    """Median of the absolute errors; the two below are of the absolute errors as well."""
    p90_percent: float | None
    max_percent: float | None
    verdicts_right: int
    verdicts: int
    capped_right: int
    capped_runs: int
    median_seconds: float
    """Median time of one simulation."""


def summarise(checks: Sequence[Check]) -> list[Summary]:
    """Return one summary per group, in the order in which the groups first occur."""
    groups = dict.fromkeys(check.group for check in checks)
    return [_summary(group, [check for check in checks if check.group == group]) for group in groups]


def _summary(group: str, checks: Sequence[Check]) -> Summary:
    errors = [abs(check.error_percent) for check in checks if check.error_percent is not None]
    verdicts = [check.right_about_oom for check in checks if check.right_about_oom is not None]
    return Summary(
        group=group,
        quantity=checks[0].quantity,
        runs=len(checks),
        compared=len(errors),
        median_percent=median(errors) if errors else None,
        p90_percent=float(np.percentile(errors, 90)) if errors else None,
        max_percent=max(errors) if errors else None,
        verdicts_right=sum(verdicts),
        verdicts=len(verdicts),
        capped_right=sum(check.capped_right for check in checks),
        capped_runs=sum(check.capped_runs for check in checks),
        median_seconds=median(check.seconds for check in checks),
    )
