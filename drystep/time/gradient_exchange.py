"""The time in which DistributedDataParallel exchanges gradients among the cards of one machine.

Gradients lie in buckets. A bucket is summed over all ranks by a ring as soon as its last gradient is there, while
backward goes on; the buckets follow one another on a stream of their own. What is not done when backward ends is
exposed: the optimizer waits for it.

Left out are the copies of gradients into buckets and back, the broadcast of buffers before forward, what backward loses
to the all-reduces that run beside it, and the network between machines.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drystep.bounds import require_whole
from drystep.gpus.peaks import Peaks

FIRST_BUCKET_BYTES, BUCKET_BYTES = 1 << 20, 25 << 20
"""Sizes at which a bucket is closed, the first and all others of an element type (`dist._DEFAULT_FIRST_BUCKET_BYTES`,
and the default `bucket_cap_mb` of `torch/nn/parallel/distributed.py`)."""
MOST_RANKS = 1024
ACHIEVED = {"pcie3": 12 / 15.75, "pcie4": 24 / 31.5, "pcie5": 48 / 63, "nvlink": 20 / 25}
"""Fraction of a link's nominal bandwidth that NCCL reckons with: 12, 24 and 48 GB/s for 16 lanes of PCIe 3.0, 4.0 and
5.0, and 20 of the 25 GB/s of one NVLink of Volta and Ampere (`PCI_BW`, `SM70_NVLINK_BW` and `SM80_NVLINK_BW` in its
`src/graph/topo.h`, and `kvDictPciGen` in `topo.cc`). It is what cards reach at best: through NVLink 8 of Ampere were
measured at 0.78 and 8 of Hopper at 0.82 (nccl-tests#175, #212), but two of Ampere at 0.69, and three through PCIe 4.0
at 0.63 (nccl-tests#178). PCIe is slower still where cards cannot copy from one to another (GeForce cards since the
RTX 20 series), or share a way to the processor."""
BASE_LATENCY_US = 8.4
HOP_LATENCY_US = {"pcie3": 5.7, "pcie4": 5.7, "pcie5": 5.7, "nvlink": 3.4}
"""Latency of an all-reduce, and of each of the 2 (ranks - 1) steps of its ring, in NCCL's own model of the protocol
"simple" (`baseLat` and `hwLat` in its `src/graph/tuning.cc`)."""


class Gradient(NamedTuple):
    """A gradient that takes part in the exchange."""

    ready_ms: float
    """When its last kernel has ended."""
    size_bytes: int
    kind: Hashable = None
    """Gradients of different kinds (element types) never share a bucket."""


class Bucket(NamedTuple):
    """Gradients that are exchanged together."""

    ready_ms: float
    """When the last of them is there."""
    size_bytes: int


@dataclass(frozen=True)
class Exchange:
    """The exchange of one step's gradients; a mean where it is of several steps."""

    ranks: int
    """Processes, one per card."""
    buckets: float
    size_bytes: float
    """Of all gradients."""
    all_reduce_ms: float
    """Sum over all buckets."""
    exposed_ms: float
    """By how much the last all-reduce ends after backward."""


def exchange(gradients: Sequence[Gradient], backward_end_ms: float, ranks: int, peaks: Peaks, card: str) -> Exchange:
    """Predict the exchange of gradients, which are given in the order in which they are ready.

    `backward_end_ms` is when the last kernel of backward ends, on the same clock. `peaks` name the link of the card.
    Raises `ValueError` for a card whose link is not known, if there are several ranks, and for an impossible count.
    """
    require_whole("ranks", ranks, 1, MOST_RANKS)
    found = buckets(gradients)
    total_ms, free_ms = 0.0, 0.0
    for bucket in found if ranks > 1 else ():
        duration_ms = all_reduce_ms(bucket.size_bytes, ranks, peaks, card)
        total_ms += duration_ms
        free_ms = max(free_ms, bucket.ready_ms) + duration_ms
    size_bytes = sum(gradient.size_bytes for gradient in gradients)
    return Exchange(ranks, len(found), size_bytes, total_ms, max(0.0, free_ms - backward_end_ms))


def all_reduce_ms(size_bytes: int, ranks: int, peaks: Peaks, card: str) -> float:
    """Time of a ring all-reduce of `size_bytes` over `ranks` cards.

    Each card sends 2 (ranks - 1) / ranks times the bytes over its link (`doc/PERFORMANCE.md` of nccl-tests), in
    2 (ranks - 1) steps.
    """
    hops = 2 * (ranks - 1)
    if not hops:
        return 0.0
    gbs = peaks.need("link_gbs", card) * ACHIEVED[peaks.link]
    return hops / ranks * size_bytes / (1e6 * gbs) + (BASE_LATENCY_US + hops * HOP_LATENCY_US[peaks.link]) / 1e3


def buckets(gradients: Sequence[Gradient]) -> list[Bucket]:
    """Divide gradients into buckets as DistributedDataParallel does after its first iteration.

    It then makes them anew in the order in which gradients were ready: each gradient joins the open bucket of its kind,
    and the one that reaches the limit is the last one in it (`Reducer::rebuild_buckets` and
    `compute_bucket_assignment_by_size` in `torch/csrc/distributed/c10d/reducer.cpp`). With `find_unused_parameters`
    PyTorch keeps the order of the parameters instead, which is not simulated.
    """
    closed: list[Bucket] = []
    opened: dict[Hashable, Bucket] = {}
    limits: dict[Hashable, int] = {}
    for gradient in gradients:
        ready_ms, size_bytes = opened.pop(gradient.kind, Bucket(0.0, 0))
        bucket = Bucket(max(ready_ms, gradient.ready_ms), size_bytes + gradient.size_bytes)
        if bucket.size_bytes >= limits.get(gradient.kind, FIRST_BUCKET_BYTES):
            closed.append(bucket)
            limits[gradient.kind] = BUCKET_BYTES
        else:
            opened[gradient.kind] = bucket
    return closed + list(opened.values())
