"""The exchange of gradients by arithmetic, in buckets as PyTorch makes them, at speeds that others measured."""

import random

import pytest
import torch
from torch import distributed

from drystep.gpus.peaks import LINKS, Peaks
from drystep.time.gradient_exchange import (
    ACHIEVED,
    BASE_LATENCY_US,
    BUCKET_BYTES,
    FIRST_BUCKET_BYTES,
    HOP_LATENCY_US,
    Bucket,
    Exchange,
    Gradient,
    all_reduce_ms,
    buckets,
    exchange,
)

MIB = 1 << 20
NVLINK = Peaks(link="nvlink", link_gbs=100.0)  # 80 GB/s by NCCL's own account
LATENCY_MS = (8.4 + 2 * 3 * 3.4) / 1e3  # of 4 ranks: 2 x 3 steps


def _exchange(gradients: list[Gradient], backward_end_ms: float, ranks: int = 4) -> Exchange:
    return exchange(gradients, backward_end_ms, ranks, NVLINK, "card")


def test_a_ring_by_hand() -> None:
    """Each of 4 cards sends 6 quarters of 80 MB at 80 GB/s: 1.5 ms."""
    assert all_reduce_ms(80_000_000, 4, NVLINK, "card") == pytest.approx(1.5 + LATENCY_MS)
    assert all_reduce_ms(80_000_000, 2, NVLINK, "card") == pytest.approx(1.0 + (8.4 + 2 * 3.4) / 1e3)
    assert all_reduce_ms(80_000_000, 1, NVLINK, "card") == 0


def test_one_bucket_after_backward_is_exposed() -> None:
    found = _exchange([Gradient(3.0, 500), Gradient(5.0, 500)], backward_end_ms=5.0)
    expected_ms = 1.5 * 1000 / 80e6 + LATENCY_MS
    assert found == Exchange(4, 1, 1000, pytest.approx(expected_ms), pytest.approx(expected_ms))


def test_what_ends_before_backward_is_hidden() -> None:
    found = _exchange([Gradient(1.0, 80_000_000)], backward_end_ms=3.0)
    assert found.all_reduce_ms == pytest.approx(1.5 + LATENCY_MS)
    assert found.exposed_ms == 0


def test_buckets_follow_one_another() -> None:
    """80 MB each, ready at 1, 2 and 3 ms. The ring is busy from 1 ms on, and done at 1 + 3 x 1.5 ms."""
    gradients = [Gradient(ready_ms, 80_000_000) for ready_ms in (1.0, 2.0, 3.0)]
    found = _exchange(gradients, backward_end_ms=3.2)
    assert found.buckets == 3
    assert found.all_reduce_ms == pytest.approx(3 * (1.5 + LATENCY_MS))
    assert found.exposed_ms == pytest.approx(1.0 + 3 * (1.5 + LATENCY_MS) - 3.2)


def test_a_bucket_waits_for_its_last_gradient() -> None:
    """80 MB at 1 ms are done at 2.5; then 20 MB at 4 ms wait for 20 MB at 9 ms: 40 MB take 0.75 ms."""
    found = _exchange([Gradient(1.0, 80_000_000), Gradient(4.0, 20_000_000), Gradient(9.0, 20_000_000)], 9.0)
    assert found.buckets == 2
    assert found.exposed_ms == pytest.approx(0.75 + LATENCY_MS)


def test_one_rank_exchanges_nothing_and_needs_no_link() -> None:
    found = exchange([Gradient(1.0, 80_000_000)], 1.0, 1, Peaks(), "card")
    assert (found.all_reduce_ms, found.exposed_ms) == (0, 0)


def test_a_card_without_a_link() -> None:
    with pytest.raises(ValueError, match="my card has no link_gbs: the exchange of gradients between cards needs it$"):
        exchange([Gradient(1.0, 4)], 1.0, 2, Peaks(), "my card")


@pytest.mark.parametrize("ranks", [0, -1, 1025, 2.0])
def test_impossible_counts_of_ranks(ranks: int) -> None:
    with pytest.raises(ValueError, match="ranks must be .*between 1 and 1024"):
        exchange([], 0.0, ranks, NVLINK, "card")


def test_the_gradient_that_fills_a_bucket_is_its_last() -> None:
    sizes = [MIB // 2, MIB // 2 + 4, 24 * MIB, MIB, 3 * MIB]
    found = buckets([Gradient(float(number), size) for number, size in enumerate(sizes)])
    assert found == [Bucket(1.0, MIB + 4), Bucket(3.0, 25 * MIB), Bucket(4.0, 3 * MIB)]


def test_buckets_are_those_of_pytorch() -> None:
    """In the order of readiness, which the indices of the tensors stand for, and with two element types."""
    generator = random.Random(0)
    for _ in range(20):
        tensors = [
            torch.empty(int(2 ** generator.uniform(3, 23)), dtype=generator.choice([torch.float32, torch.float16]),
                        device="meta")
            for _ in range(generator.randint(1, 60))
        ]  # fmt: skip
        limits = [distributed._DEFAULT_FIRST_BUCKET_BYTES, 25 * MIB]
        expected, _ = distributed._compute_bucket_assignment_by_size(tensors, limits, [], [*range(len(tensors))])
        found = buckets([Gradient(float(i), t.numel() * t.itemsize, t.dtype) for i, t in enumerate(tensors)])
        sums = [Bucket(max(b), sum(tensors[i].numel() * tensors[i].itemsize for i in b)) for b in expected]
        assert sorted(found) == sorted(sums)
    assert limits == [FIRST_BUCKET_BYTES, BUCKET_BYTES]


@pytest.mark.parametrize(("link_gbs", "measured_gbs"), [(300.0, 232.54), (450.0, 370.0)])
def test_nvlink_beside_published_bandwidths(link_gbs: float, measured_gbs: float) -> None:
    """Bus bandwidths of 8 A100 (nccl-tests#175, up to 4 GiB), and of H100 by a ring (nccl-tests#212)."""
    size_bytes = 4 << 30
    duration_ms = all_reduce_ms(size_bytes, 8, Peaks(link="nvlink", link_gbs=link_gbs), "card")
    bus_gbs = size_bytes * 2 * 7 / 8 / duration_ms / 1e6
    assert bus_gbs == pytest.approx(measured_gbs, rel=0.05)


def test_every_kind_of_link_has_its_constants() -> None:
    assert set(ACHIEVED) == set(HOP_LATENCY_US) == set(LINKS)
    assert BASE_LATENCY_US == 8.4
    assert all(0.7 < fraction <= 1 for fraction in ACHIEVED.values())
