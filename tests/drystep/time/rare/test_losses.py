"""Losses by arithmetic on what each of their kernels reads and writes."""

from typing import Any

import pytest
import torch

aten = torch.ops.aten
INT64 = torch.int64
MEAN, EACH = 1, 0


def test_one_block_sums_up_the_likelihoods_of_rows(count: Any, meta: Any) -> None:
    """64 rows of 1000 classes: one value of each row is read."""
    log_probs, target = meta(64, 1000), meta(64, dtype=INT64)
    mean = count(aten.nll_loss_forward.default, log_probs, target, None, MEAN, -100)
    assert (mean.moved_bytes, mean.items, mean.blocks) == (64 * (8 + 4) + 2 * 4, 64, 1)
    each = count(aten.nll_loss_forward.default, log_probs, target, None, EACH, -100)
    assert (each.moved_bytes, each.blocks) == (64 * (8 + 4 + 4) + 4, 0)
    arguments = (meta(), log_probs, target, None, MEAN, -100, meta())
    backward = count(aten.nll_loss_backward.default, *arguments)
    assert backward.moved_bytes == 4 + 64 * (8 + 4) + 4 * 64_000


def test_likelihoods_of_maps(count: Any, meta: Any) -> None:
    log_probs, target = meta(2, 10, 8, 8), meta(2, 8, 8, dtype=INT64)
    mean = count(aten.nll_loss2d_forward.default, log_probs, target, None, MEAN, -100)
    assert (mean.moved_bytes, mean.kernels) == (128 * (8 + 4) + 2 * 4, 3)
    backward = count(aten.nll_loss2d_backward.default, meta(), log_probs, target, None, MEAN, -100, meta())
    assert backward.moved_bytes == 4 + 128 * (8 + 4) + 4 * 1280


@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"])
def test_a_mean_reads_the_losses_again(name: str, count: Any, meta: Any) -> None:
    func = getattr(aten, name).default
    mean = count(func, meta(10, 20), meta(10, 20))
    assert (mean.moved_bytes, mean.kernels) == (4 * 800 + 4, 2)
    each = count(func, meta(10, 20), meta(10, 20), reduction=EACH)
    assert (each.moved_bytes, each.kernels) == (3 * 800, 1)


def test_logits_step_by_step(count: Any, meta: Any) -> None:
    logits = meta(10, 20)
    mean = count(aten.binary_cross_entropy_with_logits.default, logits, logits)
    steps = [2, 3, 2, 3, 1]  # what each reads and writes
    assert (mean.moved_bytes, mean.kernels) == (sum(steps) * 800 + 4, len(steps))
    weighted = count(aten.binary_cross_entropy_with_logits.default, logits, logits, meta(20), meta(20))
    steps += [2, 2, 3, 2]  # targets times 80 bytes of weights, plus one, times logarithms; losses times 80 bytes
    assert weighted.moved_bytes == sum(steps) * 800 + 3 * 80 + 80 + 4
    assert weighted.kernels == len(steps) + 1  # the weights of positives less one


def test_the_loss_of_sequences_goes_step_by_step(count: Any, meta: Any) -> None:
    """50 steps, 4 sequences, 20 classes, 10 labels: 21 states each, a log-probability for each (no more than all)."""
    log_probs, targets = meta(50, 4, 20), meta(4, 10, dtype=INT64)
    loss, states = meta(4), meta(4, 50, 21)
    forward = count(aten._ctc_loss.default, log_probs, targets, [50] * 4, [10] * 4, result=(loss, states))
    assert forward.moved_bytes == 4 * 4000 + 8 * 40 + 4 * (4 + 4200)
    assert (forward.items, forward.blocks) == (200, 4)
    arguments = (loss, log_probs, targets, [50] * 4, [10] * 4, loss, states, 0)
    backward = count(aten._ctc_loss_backward.default, *arguments, result=log_probs)
    assert backward.moved_bytes == 4 * (3 * 4200 + 4000 + 3 * 4000) + 8 * 40


def test_kernels(count: Any, meta: Any) -> None:
    """Zeros come before what is written for each target; the gradient of a sequence's loss takes four kernels."""
    log_probs, target = meta(64, 1000), meta(64, dtype=INT64)
    assert count(aten.nll_loss_forward.default, log_probs, target, None, MEAN, -100).kernels == 1
    backward = (meta(), log_probs, target, None, MEAN, -100, meta())
    assert count(aten.nll_loss_backward.default, *backward).kernels == 2
    states = (meta(), meta(50, 20), meta(10, dtype=INT64), [50], [10], meta(), meta(1, 50, 21), 0)
    of_sequence = count(aten._ctc_loss_backward.default, *states, result=meta(50, 20))
    assert (of_sequence.kernels, of_sequence.items, of_sequence.blocks) == (4, 50, 1)
