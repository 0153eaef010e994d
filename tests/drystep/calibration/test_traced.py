"""What counts of a step that a table names."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from drystep.calibration.traced import StepToTrace, counted_work
from drystep.operators import Work

STEP = StepToTrace("test_vit", 2, 64, "fp32", "train", "nchw", "2.11")


def _groups(counted: Counter[Work]) -> Counter[str]:
    groups: Counter[str] = Counter()
    for work, times in counted.items():
        groups[work.factors_of.partition(".")[0]] += times
    return groups


def test_a_batch_of_twice_the_images_has_twice_the_operations() -> None:
    one, two = (
        sum(work.flops * times for work, times in counted_work(replace(STEP, batch_size=images)).items())
        for images in (2, 4)
    )
    assert two == 2 * one


def test_a_training_step_has_three_times_the_operations_less_the_gradient_of_the_images() -> None:
    """Attention's backward pass computes the scores again: it has five products for two."""
    train, inference = (counted_work(replace(STEP, mode=mode)) for mode in ("train", "inference"))
    flops = {
        name: sum(work.flops * times for work, times in counted.items() if work.kind != "attention")
        for name, counted in (("train", train), ("inference", inference))
    }
    patches = next(work.flops for work in inference if "convolution" in work.group)
    assert flops["train"] == 3 * flops["inference"] - patches
    assert _groups(train)["optimizer"] > 0
    assert _groups(inference)["optimizer"] == 0


@pytest.mark.parametrize(("version", "fused"), [("1.13", False), ("2.0", True), ("2.11", True)])
def test_attention_is_fused_from_pytorch_2_on(version: str, fused: bool) -> None:
    groups = _groups(counted_work(replace(STEP, mode="inference", torch=version)))
    assert (groups["attention"] > 0) == fused
    assert (groups["softmax"] > 0) == (not fused)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("amp-fp16", torch.float16), ("amp-bf16", torch.bfloat16)]
)
def test_precisions(precision: str, dtype: torch.dtype) -> None:
    counted = counted_work(replace(STEP, precision=precision, mode="inference"))
    assert {work.dtype for work in counted if work.flops} == {dtype}
    assert ("copy.cast" in {work.group for work in counted}) == (precision != "fp32")


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_layouts(layout: str) -> None:
    counted = counted_work(replace(STEP, model="test_resnet", layout=layout))
    assert {work.group.split(".")[-2] for work in counted if "convolution" in work.group} == {layout}
