"""Sampling of a fixed number of boxes, whatever the data is."""

from typing import NamedTuple

import torch
from torch import Tensor

from bench.detectors.assignment.matching import BACKGROUND


class Sample(NamedTuple):
    """A fixed number S of sampled boxes, positives first."""

    chosen: Tensor
    """(S,) int64, indices into the boxes that were sampled from."""
    positive: Tensor
    """(S,) bool. Positives are in the first slots, so a slice of known size holds all of them."""
    valid: Tensor
    """(S,) bool, False in slots for which there were too few boxes."""


def sample_balanced(
    matched: Tensor,
    eligible: Tensor,
    *,
    size: int,
    positive_fraction: float,
    generator: torch.Generator | None = None,
) -> Sample:
    """Draw up to `size * positive_fraction` positives at random, and fill the sample up with background.

    matched (N,) from `match_boxes`, eligible (N,) bool. The sample has S = min(size, N) slots whatever the data is: two
    `topk` over random keys take the place of `nonzero` and `randperm` in mmdet's `RandomSampler`. `generator` draws the
    keys, or the global one.
    """
    count = matched.shape[0]
    slots = min(size, count)
    key = torch.rand(count, device=matched.device, generator=generator)  # in [0, 1); -1 marks what must not be drawn
    positive_key = key.masked_fill(~(eligible & (matched >= 0)), -1.0)
    background_key = key.masked_fill(~(eligible & (matched == BACKGROUND)), -1.0)
    drawn_key, drawn = positive_key.topk(min(int(size * positive_fraction), slots))
    # Drawn positives precede all background. A slot that was drawn for lack of positives keeps its background key.
    priority = background_key.scatter(0, drawn, torch.where(drawn_key >= 0, drawn_key + 2.0, background_key[drawn]))
    priority, index = priority.topk(slots)
    return Sample(index, priority >= 2.0, priority >= 0.0)
