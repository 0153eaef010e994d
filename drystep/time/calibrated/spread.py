"""How sure a prediction is: errors of cross-validated steps, laid on the groups of operators that took their time."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

INSIDE = 0.8
"""Part of the cross-validated steps that an interval holds."""
NEVER_MEASURED = 0.4
"""Error, as a logarithm, of groups that no measured step has: a factor of 1.5 either way."""


@dataclass(frozen=True)
class Spread:
    """Typical errors by group of operators, as logarithms."""

    by_group: Mapping[str, float]
    """Root mean square of the errors of steps, each weighted by the group's share of its time."""
    width: float
    """How many of them an interval has on either side, so that it holds `INSIDE` of the cross-validated steps."""

    def of(self, shares: Mapping[str, float]) -> float:
        """Half width of the interval of a step, as a logarithm, given the groups' shares of its time."""
        total = sum(shares.values()) or 1.0
        squares = sum(
            share / total * self.by_group.get(group, NEVER_MEASURED) ** 2 for group, share in shares.items()
        )  # fmt: skip
        return float(self.width * squares**0.5)


def spread_of(errors: Tensor, shares: Tensor, groups: tuple[str, ...]) -> Spread:
    """The spread that errors (N,), logarithms of measured over predicted, give groups with shares (N, G) of the steps.

    The shares of a step add up to 1.
    """
    weights = shares.square()
    by_group = ((weights * errors.square()[:, None]).sum(0) / weights.sum(0).clamp(min=1e-12)).sqrt()
    expected = (shares @ by_group.square()).sqrt().clamp(min=1e-6)
    width = torch.quantile(errors.abs() / expected, INSIDE)
    return Spread(dict(zip(groups, by_group.tolist(), strict=True)), float(width))
