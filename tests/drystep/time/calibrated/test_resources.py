"""Microseconds at a card's peaks, by arithmetic on a card with round peaks."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from drystep.gpus.peaks import Peaks
from drystep.operators import Work
from drystep.time.calibrated.resources import ideal_us, peak_tflops, peak_us, total_us

CARD = Peaks(
    fp32_tflops=10.0, tf32_tflops=20.0, fp16_tflops=40.0, bf16_tflops=80.0, bandwidth_gbs=500.0, multiprocessors=82
)
ADDITION = Work("elementwise", 0, 500_000_000, 1, torch.float32)  # 1 ms at 500 GB/s
PRODUCT = Work("linear", 10**10, 5 * 10**6, 1, torch.float32, group="linear.single")  # 1 ms and 10 us
CONVOLUTION = replace(PRODUCT, tf32=True, group="convolution_3x3.forward.nchw.single")


def test_bytes_alone() -> None:
    assert ideal_us(ADDITION, CARD, "card") == {("elementwise", "bytes"): pytest.approx(1000)}


def test_operations_are_those_with_what_fills_up_the_tiles() -> None:
    found = {("linear.single", "bytes"): pytest.approx(10), ("linear.single", "operations"): pytest.approx(1000)}
    assert ideal_us(PRODUCT, CARD, "card") == found
    filled = ideal_us(replace(PRODUCT, padded_flops=15 * 10**9), CARD, "card")
    assert filled["linear.single", "operations"] == pytest.approx(1500)


@pytest.mark.parametrize(
    ("blocks", "times"),
    [
        (0, 1),  # as many as fit
        (82, 1),
        (16, 82 / 16),  # takes as long as if all 82 had as much to do
        (1, 82),
        (83, 2 * 82 / 83),  # the last block waits for a multiprocessor
        (164, 1),
        (128, 2 * 82 / 128),
    ],
)
def test_items_take_as_long_as_the_multiprocessor_with_most_blocks(blocks: int, times: float) -> None:
    """10^7 items at 10^13 a second take a microsecond if all multiprocessors share them."""
    work = replace(ADDITION, items=10**7, blocks=blocks)
    assert ideal_us(work, CARD, "card")["elementwise", "items"] == pytest.approx(times)


def test_sixteen_channels_take_as_long_as_eighty_two() -> None:
    channel = 10**6
    few, all_busy = (
        ideal_us(replace(ADDITION, items=blocks * channel, blocks=blocks), CARD, "card")["elementwise", "items"]
        for blocks in (16, 82)
    )
    assert few == pytest.approx(all_busy)


@pytest.mark.parametrize(
    ("dtype", "product", "convolution"),
    [
        (torch.float32, 10.0, 20.0),  # PyTorch's defaults: cuDNN may take TF32, matrix products may not
        (torch.float16, 40.0, 40.0),
        (torch.bfloat16, 80.0, 80.0),
        (torch.float64, 10.0, 10.0),
    ],
)
def test_peaks_by_type(dtype: torch.dtype, product: float, convolution: float) -> None:
    assert peak_tflops(replace(PRODUCT, dtype=dtype), CARD, "card") == product
    assert peak_tflops(replace(CONVOLUTION, dtype=dtype), CARD, "card") == convolution


def test_cards_without_tf32_compute_convolutions_in_single_precision() -> None:
    assert peak_tflops(CONVOLUTION, replace(CARD, tf32_tflops=None), "card") == 10.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_depthwise_convolutions_run_on_single_precision_units(dtype: torch.dtype) -> None:
    work = replace(CONVOLUTION, group="depthwise_3x3.forward.nchw.half", dtype=dtype)
    assert peak_tflops(work, CARD, "card") == 10.0


@pytest.mark.parametrize(
    ("work", "lacking"),
    [
        (ADDITION, "bandwidth_gbs"),
        (PRODUCT, "fp32_tflops"),
        (replace(PRODUCT, dtype=torch.bfloat16), "bf16_tflops"),
        (replace(ADDITION, items=1), "fp32_tflops"),
        (replace(ADDITION, items=1, blocks=1), "multiprocessors"),
    ],
)
def test_a_peak_that_the_card_lacks_is_named(work: Work, lacking: str) -> None:
    with pytest.raises(ValueError, match=f"my card has no {lacking}: a step time needs it"):
        ideal_us(work, replace(CARD, **{lacking: None}), "my card")


def test_a_step_is_the_sum_of_its_parts() -> None:
    parts = Counter({ADDITION: 3, PRODUCT: 2, replace(PRODUCT, kernels=2): 1})
    sums, kernels = total_us(parts, CARD, "card")
    assert sums == {
        ("elementwise", "bytes"): pytest.approx(3000),
        ("linear.single", "bytes"): pytest.approx(30),
        ("linear.single", "operations"): pytest.approx(3000),
    }
    assert kernels == 3 + 2 + 2


def test_at_the_peak_the_longer_of_bytes_and_operations_counts() -> None:
    assert peak_us(PRODUCT, CARD, "card") == pytest.approx(1000)
    assert peak_us(replace(PRODUCT, moved_bytes=10**9, padded_flops=10**11), CARD, "card") == pytest.approx(2000)
    assert peak_us(ADDITION, CARD, "card") == pytest.approx(1000)
