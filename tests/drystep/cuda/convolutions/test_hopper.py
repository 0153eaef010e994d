"""Workspaces of convolutions on Hopper: by arithmetic, and beside those that an NVIDIA H200 was measured to take."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import drystep
from drystep.cuda.convolutions.hopper import hopper_workspaces
from drystep.cuda.convolutions.sizes import Convolution, Direction

MEASURED = Path(drystep.__file__).parent / "ground_truth" / "convolution_workspaces_h200.csv"
MIB = 1 << 20
DIRECTIONS: tuple[Direction, ...] = ("forward", "image_gradient", "filter_gradient")


def _convolution(
    batch: int, channels: int, height: int, width: int, outputs: int, size: tuple[int, int], *, stride: int = 1,
    padding: tuple[int, int] = (0, 0), groups: int = 1, transposed: bool = False,
    dtype: torch.dtype = torch.float32, nchw: bool = True,
) -> Convolution:  # fmt: skip
    sides = [
        (side - 1) * stride - 2 * pad + k if transposed else (side + 2 * pad - k) // stride + 1
        for side, pad, k in zip((height, width), padding, size, strict=True)
    ]
    entered, left = (batch, channels, height, width), (batch, outputs, *sides)
    return Convolution(
        image=left if transposed else entered,
        response=entered if transposed else left,
        filter=(channels if transposed else outputs, (outputs if transposed else channels) // groups, *size),
        stride=(stride,) * 2,
        padding=padding,
        dilation=(1, 1),
        groups=groups,
        transposed=transposed,
        dtype=dtype,
        contiguous=nchw,
        in_nchw=nchw,
    )


def _certain(convolution: Convolution, direction: Direction = "forward", tf32: bool = True) -> int:
    found = list(hopper_workspaces(convolution, direction, tf32))
    assert all(each.soft and not each.kept and each.architectures == ("9.0",) for each in found)
    return sum(each.size_bytes for each in found if each.certain)


HEAD = {"batch": 2, "channels": 256, "height": 76, "width": 128, "outputs": 256, "size": (3, 3), "padding": (1, 1)}
MAP, FILTER = 2 * 256 * 76 * 128, 256 * 256 * 9


def test_maps_and_filter_in_nchw_are_copied_in_both_directions() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        convolution = _convolution(**HEAD, dtype=dtype)
        copies = (2 * MAP + FILTER) * dtype.itemsize
        assert _certain(convolution) == _certain(convolution, "image_gradient") == copies
    assert 4 * (2 * MAP + FILTER) == 40.25 * MIB


def test_a_filters_gradient_is_summed_in_parts_besides() -> None:
    """132 multiprocessors compute 36 blocks of 128x128 in 3 parts, in float32."""
    convolution = _convolution(**HEAD)
    assert _certain(convolution, "filter_gradient") == 4 * (2 * MAP + FILTER + 3 * FILTER)


def test_maps_in_nhwc_are_read_as_they_are() -> None:
    assert _certain(_convolution(**HEAD, nchw=False)) == 0
    odd = _convolution(**{**HEAD, "outputs": 180}, dtype=torch.float16, nchw=False)
    assert _certain(odd) == 2 * (2 * 184 * 76 * 128 + 256 * 184 * 9)  # 180 is no multiple of 8


def test_channels_are_padded_to_16_bytes() -> None:
    narrow = {**HEAD, "channels": 18, "outputs": 36}
    assert _certain(_convolution(**narrow)) == 4 * (2 * (20 + 36) * 76 * 128 + 20 * 36 * 9)
    half = _convolution(**narrow, dtype=torch.float16)
    assert _certain(half) == 2 * (2 * (24 + 40) * 76 * 128 + 24 * 40 * 9)


def test_channels_of_groups_are_padded_to_a_power_of_two() -> None:
    grouped = _convolution(64, 576, 14, 14, 576, (3, 3), padding=(1, 1), groups=24)
    assert _certain(grouped) == 4 * (2 * 64 * 24 * 32 * 14 * 14 + 24 * 32 * 32 * 9)


def test_a_1x1_filters_gradient_sums_one_part_an_image_unless_copies_are_smaller() -> None:
    few = _convolution(2, 384, 38, 64, 256, (1, 1), dtype=torch.float16)
    assert _certain(few) == 0
    assert _certain(few, "filter_gradient") == 2 * 384 * 256 * 4
    many = _convolution(64, 1024, 10, 10, 1536, (1, 1))
    assert _certain(many, "filter_gradient") == 4 * 64 * 10 * 10 * (1024 + 1536)


def test_without_tf32_filters_take_winograds_algorithm_and_some_gradients_transforms() -> None:
    """The sizes that an NVIDIA H200 requested in the head of RetinaNet (`reports/measured/nvidia-h200`)."""
    head = _convolution(**HEAD)
    assert _certain(head, tf32=False) == _certain(head, "image_gradient", tf32=False) == 0
    assert _certain(head, "filter_gradient", tf32=False) == 99_090_432 == 36 * 4 * (2 * 19 * 32 * 512 + 256 * 256)
    logits = _convolution(**{**HEAD, "outputs": 180})
    assert _certain(logits, "image_gradient", tf32=False) == 208_130_048 == 32 * 17 * 8 * (4 * 436 + 256 * 180)
    assert _certain(logits, "filter_gradient", tf32=False) == 82_980_864
    smaller = _convolution(**{**HEAD, "outputs": 180, "height": 38, "width": 64})
    assert _certain(smaller, "image_gradient", tf32=False) == 0


class Row(NamedTuple):
    """A measured workspace beside the certain one."""

    kind: str
    measured_bytes: int
    certain_bytes: int

    @property
    def agrees(self) -> bool:
        """Within 2 %, or within what the allocator adds: it leaves up to 1 MiB of a large block with a request."""
        slack = 2048 if self.certain_bytes <= MIB else MIB + 2048
        difference = self.measured_bytes - self.certain_bytes
        return abs(difference) <= 0.02 * self.measured_bytes or 0 <= difference <= slack


def _rows() -> Iterator[Row]:
    with MEASURED.open(newline="") as file:
        for row in csv.DictReader(file):
            number = {key: int(value) for key, value in row.items() if value.isdigit()}
            size = (number["filter_height"], number["filter_width"])
            convolution = _convolution(
                number["batch"], number["input_channels"], number["height"], number["width"], number["output_channels"],
                size, stride=number["stride"], padding=(number["padding_height"], number["padding_width"]),
                groups=number["groups"], transposed=bool(number["transposed"]), dtype=getattr(torch, row["dtype"]),
                nchw=row["layout"] == "nchw",
            )  # fmt: skip
            form = "pointwise" if size == (1, 1) and number["stride"] == 1 else "dense"
            form = "depthwise" if convolution.is_depthwise else "grouped" if number["groups"] > 1 else form
            swapped = {"forward": "image_gradient", "image_gradient": "forward"}
            for direction in DIRECTIONS:
                run = swapped.get(direction, direction) if number["transposed"] else direction
                way = "filter" if direction == "filter_gradient" else "map"
                kind = f"{form} {row['layout']} {way}"
                yield Row(kind, number[f"{direction}_bytes"], _certain(convolution, run))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(_rows())


@pytest.mark.parametrize(
    ("kind", "share", "error"),
    [  # at least this share of rows agrees, and the sum of all differences is at most this part of the sum of all sizes
        ("dense nchw map", 0.84, 0.06),
        ("dense nchw filter", 0.60, 0.06),
        ("dense nhwc map", 0.81, 0.90),
        ("pointwise nchw map", 0.83, 1.00),
        ("pointwise nchw filter", 0.82, 0.12),
        ("pointwise nhwc map", 0.90, 1.00),
        ("grouped nchw map", 0.95, 0.03),
        ("grouped nchw filter", 0.40, 0.20),
        ("depthwise nchw map", 1.00, 0.00),
    ],
)
def test_the_rule_beside_the_measured_table(rows: list[Row], kind: str, share: float, error: float) -> None:
    of_kind = [row for row in rows if row.kind == kind]
    assert len(of_kind) >= 28
    assert sum(row.agrees for row in of_kind) >= share * len(of_kind)
    missed = sum(abs(row.measured_bytes - row.certain_bytes) for row in of_kind)
    assert missed <= error * sum(row.measured_bytes for row in of_kind)


def test_the_table_is_whole(rows: list[Row]) -> None:
    assert len(rows) == 3 * 839
