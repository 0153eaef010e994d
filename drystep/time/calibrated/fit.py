"""Factors that explain measured steps: least squares on relative errors, within bounds, drawn to typical factors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST, MOST = 0.15, 6.0
"""Bounds of a factor, in parts of the typical one."""
PULL = 0.03
"""How strongly a factor is drawn to the typical one, in parts of what the measured steps say of it."""
LEAST_SHARE = 0.004
"""Factors of resources with a smaller share of the steps are drawn as strongly as if they had this one."""
CLOSE = 0.02
"""Relative error below which steps count the same; larger errors count less than by their squares."""
ROUNDS, SWEEPS, ENOUGH = 7, 300, 1e-3


@dataclass(frozen=True)
class Fitted:
    """Factors, and what they say of the steps."""

    factors: Tensor
    """(K,) one for each column."""
    predicted_ms: Tensor
    """(N,) of the steps they were fitted to."""


def fit(columns_ms: Tensor, measured_ms: Tensor, typical: Tensor, start: Tensor | None = None) -> Fitted:
    """Fit one factor per column.

    `columns_ms` (N, K) is what each resource of each step would take at the card's peaks, `measured_ms` (N,) what the
    steps took, `typical` (K,) the factors to start from and to stay near to where the steps say little. `start` begins
    the search elsewhere. All in float64.
    """
    parts = columns_ms / measured_ms[:, None]
    pull = PULL * len(measured_ms) * (parts.mean(0) * typical).clamp(min=LEAST_SHARE) ** 2 / typical**2
    factors = (typical if start is None else start).clone()
    weights = torch.ones_like(measured_ms) if start is None else _weights(parts @ factors)
    for _ in range(ROUNDS if start is None else 3):
        factors = _bounded(parts, weights, pull, typical, factors)
        weights = _weights(parts @ factors)
    return Fitted(factors, columns_ms @ factors)


def cross_validated(columns_ms: Tensor, measured_ms: Tensor, families: Sequence[str], typical: Tensor) -> Tensor:
    """Predict every step (N,) by factors that were fitted to the steps of all other families."""
    everything = fit(columns_ms, measured_ms, typical)
    predicted = torch.zeros_like(measured_ms)
    for family in sorted(set(families)):
        left_out = torch.tensor([name == family for name in families])
        if left_out.all():
            raise ValueError(f"all steps are of the family {family}: an error needs steps of at least two families")
        others = fit(columns_ms[~left_out], measured_ms[~left_out], typical, everything.factors)
        predicted[left_out] = columns_ms[left_out] @ others.factors
    return predicted


def _weights(ratios: Tensor) -> Tensor:
    """Weights that make the sum of squares a sum of absolute errors, with mean square 1."""
    weights = (ratios - 1).abs().clamp(min=CLOSE).rsqrt()
    return weights / weights.square().mean().sqrt()


def _bounded(parts: Tensor, weights: Tensor, pull: Tensor, typical: Tensor, start: Tensor) -> Tensor:
    """Minimize the weighted squares within the bounds, one factor after the other (coordinate descent)."""
    weighted = parts * weights[:, None]
    matrix = weighted.T @ weighted + torch.diag(pull)
    target = weighted.T @ weights + pull * typical
    rows, goals, scales = matrix.numpy(), target.tolist(), typical.tolist()
    factors = start.clone().numpy()
    for _ in range(SWEEPS):
        change = 0.0
        for k in range(len(factors)):
            best = factors[k] - (rows[k] @ factors - goals[k]) / rows[k, k]
            best = min(max(best, LEAST * scales[k]), MOST * scales[k])
            change = max(change, abs(best - factors[k]) / scales[k])
            factors[k] = best
        if change < ENOUGH:
            break
    return torch.from_numpy(factors)
