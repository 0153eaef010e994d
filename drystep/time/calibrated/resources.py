"""What a part of a step's work would take at a card's peaks, resource by resource.

Three resources: the bytes that are moved, at the memory's bandwidth; the operations of products and convolutions, with
what fills up their tiles, at the peak of the units that compute them; and items handled one by one, each counted as one
single-precision operation.
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch

from drystep.gpus.peaks import Peaks
from drystep.operators import Work

Resource = Literal["bytes", "operations", "items"]
Key = tuple[str, Resource]
"""Group of operators and resource."""
DEPTHWISE = "depthwise"
"""Beginning of the names of groups of depthwise convolutions."""
PEAKS = {torch.float32: "fp32_tflops", torch.float16: "fp16_tflops", torch.bfloat16: "bf16_tflops"}


def ideal_us(work: Work, peaks: Peaks, card: str) -> dict[Key, float]:
    """Microseconds at the peak by resource. Raises `ValueError` for a peak that the card lacks."""
    group = work.factors_of
    found: dict[Key, float] = {(group, "bytes"): work.moved_bytes / (1e3 * peaks.need("bandwidth_gbs", card))}
    if work.flops:
        operations = work.padded_flops or work.flops
        found[group, "operations"] = operations / (1e6 * peak_tflops(work, peaks, card))
    if work.items:
        found[group, "items"] = _items(work, peaks, card) / (1e6 * peaks.need("fp32_tflops", card))
    return found


def peak_tflops(work: Work, peaks: Peaks, card: str) -> float:
    """Peak of the units that compute the products or convolutions of this work.

    Depthwise convolutions have no products that tensor cores could compute (`DepthwiseConv2d.cu`).
    """
    if work.group.startswith(DEPTHWISE):
        return peaks.need("fp32_tflops", card)
    if work.tf32 and work.dtype == torch.float32 and peaks.tf32_tflops is not None:
        return peaks.tf32_tflops
    return peaks.need(PEAKS.get(work.dtype, "fp32_tflops"), card)


def _items(work: Work, peaks: Peaks, card: str) -> float:
    """The items as if all multiprocessors had some: blocks that leave some without work take as long as if none did."""
    if not work.blocks:
        return work.items
    processors = peaks.need("multiprocessors", card)
    return work.items * math.ceil(work.blocks / processors) * processors / work.blocks


def total_us(counted: Mapping[Work, int], peaks: Peaks, card: str) -> tuple[dict[Key, float], int]:
    """The sums over the parts of a step's work, each so many times, and the number of kernels."""
    sums: dict[Key, float] = {}
    kernels = 0
    for work, times in counted.items():
        for key, us in ideal_us(work, peaks, card).items():
            sums[key] = sums.get(key, 0.0) + times * us
        kernels += times * work.kernels
    return sums, kernels


def peak_us(work: Work, peaks: Peaks, card: str) -> float:
    """Time of an operator at the peak of its arithmetic units or of the memory, whichever is longer."""
    memory_us = work.moved_bytes / (1e3 * peaks.need("bandwidth_gbs", card))
    if not work.flops:
        return memory_us
    return max(memory_us, work.flops / (1e6 * peak_tflops(work, peaks, card)))
