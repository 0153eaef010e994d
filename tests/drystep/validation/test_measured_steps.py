"""Steps that an NVIDIA H200 ran, simulated: one of each kind of model, precision, layout and mode that is quick."""

import statistics

import pytest

from drystep import Rules, simulate
from drystep.validation.measured_steps import H200, MeasuredStep, build_measured_step, read_measured_steps

ROWS = {
    (row.model, row.mode, row.precision, row.layout, row.batch): row
    for row in read_measured_steps()
    if not row.cudnn_benchmark
}


def _error(row: MeasuredStep) -> float:
    """Growth from the measured allocated peak to the simulated one."""
    simulation = simulate(build_measured_step(row), rules=Rules(torch="2.11", card=H200), gpus=(H200,))
    return (simulation.peak_allocated_bytes + row.left_over_bytes) / row.peak_allocated_bytes - 1


@pytest.mark.parametrize(
    "key",
    [
        ("resnet50", "train", "amp-fp16", "nchw", 256),
        ("resnet50", "train", "fp32", "nchw", 128),
        ("resnet50", "infer", "amp-fp16", "nchw", 512),
        ("regnety_032", "infer", "amp-fp16", "nchw", 512),  # grouped convolutions
        ("mobilenetv3_large_100", "train", "amp-fp16", "nhwc", 512),  # depthwise ones
        ("deit3_small_patch16_224", "train", "amp-fp16", "nchw", 256),
        ("vgg16", "train", "amp-fp16", "nhwc", 256),  # large weights, whose casts live until the region ends
    ],
    ids=lambda key: "-".join(map(str, key)),
)
def test_a_measured_step_is_simulated_within_a_quarter_of_a_percent(key: tuple[str, str, str, str, int]) -> None:
    assert abs(_error(ROWS[key])) <= 0.0025


def test_the_table_says_what_was_run() -> None:
    assert len(read_measured_steps()) >= 68
    assert statistics.median(row.peak_allocated_bytes for row in ROWS.values()) > 1 << 30
    assert all(row.peak_reserved_bytes >= row.peak_allocated_bytes > row.allocated_after_bytes for row in ROWS.values())
