"""Errors of predicted steps: over all, and by layout and precision with the worst families."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drystep.calibration.step_table import MeasuredStep
from drystep.time.calibrated.calibration import Errors, PartErrors

WORST = 3
"""Families that are named."""
DIGITS = 2


@dataclass(frozen=True)
class Checked:
    """Measured steps with their predictions, all (N,)."""

    rows: Sequence[MeasuredStep]
    measured_ms: Tensor
    predicted_ms: Tensor
    roofline_ms: Tensor
    inside: Tensor
    """Whether the measured time lies within the predicted interval."""

    def part(self, mask: Tensor) -> "Checked":
        """The steps of a mask."""
        rows = [row for row, taken in zip(self.rows, mask.tolist(), strict=True) if taken]
        tensors = self.measured_ms, self.predicted_ms, self.roofline_ms, self.inside
        return Checked(rows, *(tensor[mask] for tensor in tensors))

    @property
    def percent(self) -> Tensor:
        """Signed errors in percent."""
        return 100 * (self.predicted_ms / self.measured_ms - 1)


def errors_of(checked: Checked) -> Errors:
    """Absolute errors in percent."""
    percent = checked.percent.abs()
    roofline = 100 * (checked.roofline_ms / checked.measured_ms - 1).abs().mean()
    inside = 100 * checked.inside.double().mean()
    figures = percent.mean(), torch.quantile(percent, 0.5), torch.quantile(percent, 0.9), roofline, inside
    return Errors(len(percent), *(round(float(figure), DIGITS) for figure in figures))


def parts_of(checked: Checked) -> tuple[PartErrors, ...]:
    """Errors by layout and precision, in the order of the rows."""
    kinds = [(row.step.layout, row.step.precision) for row in checked.rows]
    found = []
    for kind in dict.fromkeys(kinds):
        part = checked.part(torch.tensor([each == kind for each in kinds]))
        found.append(PartErrors(*kind, errors_of(part), _worst_families(part)))
    return tuple(found)


def _worst_families(checked: Checked) -> dict[str, float]:
    by_family: dict[str, list[float]] = defaultdict(list)
    for row, percent in zip(checked.rows, checked.percent.tolist(), strict=True):
        by_family[row.family].append(percent)
    means = {family: sum(values) / len(values) for family, values in by_family.items()}
    worst = sorted(means, key=lambda family: -abs(means[family]))[:WORST]
    return {family: round(means[family], DIGITS) for family in worst}
