"""Advice about a step: every figure of it is that of a simulation of the other step."""

from dataclasses import replace

import pytest

from drystep import simulate
from drystep.fit.asked import AskedStep
from drystep.fit.levers import advice, levers
from drystep.gpus.classes import Gpu, select_gpu
from drystep.simulation import Simulation

V100 = select_gpu("v100-32gb")
MODEL = AskedStep("timm:test_vit", batch_size=16, image_size=(96, 96))


def _simulated(step: AskedStep, gpu: Gpu = V100) -> Simulation:
    def build(device):
        return step.load().build_step(device, batch_size=step.batch_size)

    return simulate(build, replace(step.rules, card=gpu), step.precision, gpus=[gpu])


def test_each_lever_is_simulated() -> None:
    base = _simulated(MODEL)
    found = {one.name: one for one in advice(MODEL, base, V100, 16)}
    pulled = {lever.name: lever.step for lever in levers(MODEL, V100, 16)}
    assert {"the head alone", "LoRA"} <= set(found) <= set(pulled)
    for name in ("the head alone", "LoRA"):
        other, one = _simulated(pulled[name]), found[name]
        assert one.peak_reserved_bytes == other.peak_reserved_bytes
        assert one.memory_change == other.peak_reserved_bytes / base.peak_reserved_bytes - 1
        assert one.time_change == other.step_time(V100).step_ms / base.step_time(V100).step_ms - 1
        assert (one.verdict, one.makes_it_fit) == ("fits", False)
    ranks = [one.net_change for one in advice(MODEL, base, V100, 16)]
    assert ranks == sorted(ranks) and ranks[-1] < 0


def test_what_makes_the_step_fit_comes_first() -> None:
    base = _simulated(MODEL)
    middle = (base.peak_reserved_bytes + _simulated(replace(MODEL, batch_size=8)).peak_reserved_bytes) // 2
    gpu = replace(V100, name="small", visible_mib=middle // 2**20, context_mib=0, eager_context_mib=0)
    judged = _simulated(MODEL, gpu)
    assert judged.fits["small"].verdict == "oom"
    found = advice(MODEL, judged, gpu, 16)
    assert found[0].makes_it_fit
    order = [one.makes_it_fit for one in found]
    assert order == sorted(order, reverse=True)
    assert {one.verdict for one in found if one.makes_it_fit} <= {"fits", "fits_with_retries"}


def test_levers_that_are_pulled_or_do_not_apply_are_left_out() -> None:
    pulled = MODEL.with_settings(checkpointing=True, precision="amp-fp16", method="lora", optimizer="sgd")
    assert {lever.name for lever in levers(pulled, V100, 1)} == {"expandable segments", "channels last"}
    only = {lever.name for lever in levers(MODEL.with_settings(mode="inference"), V100, 16)}
    assert only == {"expandable segments", "mixed precision", "half the batch"}
    (half,) = (lever for lever in levers(MODEL, V100, 16) if lever.name == "mixed precision")
    assert half.option == "--precision amp-fp16"  # a V100 has no bfloat16 units
    (half,) = (lever for lever in levers(MODEL, select_gpu("a30-24gb"), 16) if lever.name == "mixed precision")
    assert half.option == "--precision amp-bf16"


@pytest.mark.parametrize(
    ("accumulate", "option"), [(1, "--batch-size 8 --accumulate 2"), (3, "--batch-size 8 --accumulate 6")]
)
def test_half_the_batch_computes_as_many_images(accumulate: int, option: str) -> None:
    step = MODEL.with_settings(accumulate=accumulate)
    (half,) = (lever for lever in levers(step, V100, 16) if lever.name.startswith("half the batch"))
    assert (half.option, half.batches) == (option, 1)
    assert half.step.batch_size * half.step.settings.accumulate == 16 * accumulate
