"""Work of convolutions: operations, bytes, groups and padding of the forward pass and of both gradients."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from drystep.gpus.peaks import Peaks
from drystep.operators import Work
from drystep.time.calibrated.resources import ideal_us, peak_us
from tests.drystep.time.counted import META, meta, work_of_call, work_of_step

aten = torch.ops.aten
Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True)
class Convolution:
    """A convolution of two images of 24 by 24 places."""

    channels: int
    made: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    transposed: bool = False
    bias: bool = False
    dtype: torch.dtype = torch.float32
    layout: Layout = "nchw"

    @property
    def settings(self) -> tuple[object, ...]:
        padding = self.dilation * (self.kernel // 2)
        steps = [self.stride] * 2, [padding] * 2, [self.dilation] * 2
        return (*steps, self.transposed, [0, 0], self.groups)

    @property
    def image(self) -> Tensor:
        return meta(2, self.channels, 24, 24, dtype=self.dtype, layout=self.layout)

    @property
    def weight(self) -> Tensor:
        sides = (self.channels, self.made) if self.transposed else (self.made, self.channels)
        return meta(sides[0], sides[1] // self.groups, self.kernel, self.kernel, dtype=self.dtype, layout=self.layout)

    def output(self) -> Tensor:
        """The result as CUDA lays it out, which is as it lays out the image."""
        shape = aten.convolution.default(self.image, self.weight, None, *self.settings).shape
        return meta(*shape, dtype=self.dtype, layout=self.layout)

    def forward(self) -> list[Work]:
        bias = meta(self.made, dtype=self.dtype) if self.bias else None
        return work_of_call(aten.convolution.default, self.image, self.weight, bias, *self.settings)

    def backward(self) -> list[Work]:
        gradient, wanted = self.output(), [True, True, self.bias]
        arguments = gradient, self.image, self.weight, [self.made], *self.settings, wanted
        return work_of_call(aten.convolution_backward.default, *arguments)

    @property
    def multiplied(self) -> int:
        """Pairs of a value and a weight: each value that is made sums over the channels of its group and the filter.

        Transposed, each value that is read is multiplied by the filters of its group.
        """
        places = 2 * 24 * 24 if self.transposed else 2 * math.ceil(24 / self.stride) ** 2
        return places * self.channels * self.made // self.groups * self.kernel**2


CONVOLUTIONS = {
    "1x1": Convolution(64, 256, 1),
    "3x3": Convolution(64, 64, 3),
    "7x7": Convolution(3, 64, 7, stride=2),
    "strided": Convolution(64, 128, 3, stride=2),
    "dilated": Convolution(64, 64, 3, dilation=2),
    "grouped-4": Convolution(128, 128, 3, groups=32),
    "grouped-32": Convolution(128, 256, 3, groups=4, stride=2),
    "depthwise": Convolution(64, 64, 3, groups=64),
    "depthwise-7x7": Convolution(64, 64, 7, groups=64),
    "depthwise-multiplied": Convolution(64, 128, 3, groups=64),
    "transposed": Convolution(64, 32, 3, stride=2, transposed=True),
    "transposed-grouped": Convolution(64, 32, 3, stride=2, groups=4, transposed=True),
}
CARDS = {
    "bytes": Peaks(fp32_tflops=10_000.0, bandwidth_gbs=10.0, multiprocessors=82),
    "operations": Peaks(fp32_tflops=0.01, bandwidth_gbs=100_000.0, multiprocessors=82),
    "both": Peaks(fp32_tflops=10.0, bandwidth_gbs=500.0, multiprocessors=82),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_every_pass_has_the_operations_of_the_forward_pass(name: str) -> None:
    each = CONVOLUTIONS[name]
    (forward,), (image, weight) = each.forward(), each.backward()
    assert forward.flops == image.flops == weight.flops == 2 * each.multiplied
    assert forward.padded_flops == image.padded_flops == weight.padded_flops >= forward.flops


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_every_pass_moves_image_filter_and_output(name: str) -> None:
    each = CONVOLUTIONS[name]
    expected = each.image.nbytes + each.weight.nbytes + each.output().nbytes
    assert {work.moved_bytes for work in (*each.forward(), *each.backward())} == {expected}


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_backward_takes_one_to_three_times_the_forward_pass(name: str, bias: bool, card: str) -> None:
    each, peaks = replace(CONVOLUTIONS[name], bias=bias), CARDS[card]
    for time_us in (lambda work: sum(ideal_us(work, peaks, card).values()), lambda work: peak_us(work, peaks, card)):
        forward, backward = (sum(map(time_us, work)) for work in (each.forward(), each.backward()))
        assert 1 <= backward / forward <= 3


def test_a_bias_is_added_and_summed_by_kernels_of_their_own() -> None:
    each = Convolution(8, 16, 3, bias=True)
    output = each.output()
    _, added = each.forward()
    assert (added.kind, added.flops, added.moved_bytes) == ("elementwise", 0, 2 * output.nbytes)
    assert not added.tf32
    for layout, rows in (("nchw", 2 * 16), ("nhwc", 0)):
        *_, summed = replace(each, layout=layout).backward()
        assert summed.group == f"bias_gradient.{layout}"
        assert (summed.flops, summed.moved_bytes, summed.items) == (0, output.nbytes, rows)


@pytest.mark.parametrize(
    ("wanted", "groups"),
    [
        ([True, False, False], ["convolution_3x3.nchw.single"]),
        ([False, True, False], ["convolution_3x3.nchw.single"]),
        ([False, False, True], ["bias_gradient.nchw"]),
        ([False, False, False], []),
    ],
)
def test_gradients_that_nobody_wants_are_not_computed(wanted: list[bool], groups: list[str]) -> None:
    each = Convolution(8, 16, 3)
    arguments = each.output(), each.image, each.weight, [16], *each.settings, wanted
    assert [work.group for work in work_of_call(aten.convolution_backward.default, *arguments)] == groups


@pytest.mark.parametrize(
    ("each", "name"),
    [
        (Convolution(64, 64, 1), "convolution_1x1"),
        (Convolution(64, 64, 3), "convolution_3x3"),
        (Convolution(64, 64, 3, stride=2), "convolution"),
        (Convolution(64, 64, 3, dilation=2), "convolution"),
        (Convolution(64, 64, 5), "convolution"),
        (Convolution(64, 64, 3, transposed=True), "convolution"),
        (Convolution(64, 3, 3, transposed=True), "convolution"),
        (Convolution(3, 64, 7), "first_convolution"),
        (Convolution(4, 64, 3), "first_convolution"),
        (Convolution(5, 64, 3), "convolution_3x3"),
        (Convolution(64, 64, 3, groups=64), "depthwise_3x3"),
        (Convolution(64, 64, 5, groups=64), "depthwise_5x5"),
        (Convolution(64, 64, 7, groups=64), "depthwise_7x7"),
        (Convolution(64, 64, 9, groups=64), "depthwise_large"),
        (Convolution(64, 64, 1, groups=64), "depthwise_large"),
        (Convolution(36, 36, 3, groups=36), "depthwise_3x3_unaligned"),
        (Convolution(64, 64, 3, groups=32), "grouped_convolution_4"),
        (Convolution(64, 64, 3, groups=16), "grouped_convolution_4"),
        (Convolution(64, 128, 3, groups=16), "grouped_convolution_4"),
        (Convolution(128, 64, 3, groups=16), "grouped_convolution_4"),
        (Convolution(80, 80, 3, groups=16), "grouped_convolution_8"),
        (Convolution(128, 128, 3, groups=4), "grouped_convolution_32"),
        (Convolution(132, 132, 3, groups=4), "grouped_convolution_64"),
        (Convolution(512, 512, 3, groups=2), "grouped_convolution_128"),
        (Convolution(64, 64, 7, stride=2, groups=64), "depthwise_7x7_strided"),
    ],
    ids=str,
)
def test_names_of_groups(each: Convolution, name: str) -> None:
    """Dense convolutions have one group for all directions, others one for each."""
    found = [work.group for work in (*each.forward(), *each.backward())]
    if each.groups == 1:
        assert found == [f"{name}.nchw.single"] * 3
    else:
        directions = ("forward", "image_gradient", "filter_gradient")
        assert found == [f"{name}.{direction}.nchw.single" for direction in directions]


@pytest.mark.parametrize(("channels", "made", "suffix"), [(64, 64, ""), (60, 64, "_unaligned"), (64, 60, "_unaligned")])
def test_channels_that_do_not_come_in_eights_have_groups_of_their_own_in_half_precision(
    channels: int, made: int, suffix: str
) -> None:
    for kernel, name in ((1, "convolution_1x1"), (3, "convolution_3x3"), (5, "convolution")):
        each = Convolution(channels, made, kernel)
        for dtype in (torch.float16, torch.bfloat16):
            assert replace(each, dtype=dtype).forward()[0].group == f"{name}{suffix}.nchw.half"
        assert each.forward()[0].group == f"{name}.nchw.single"


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_layouts(layout: Layout) -> None:
    """What is one place wide, or one channel, has both layouts: the other map tells."""
    each = Convolution(64, 64, 3, layout=layout)
    assert {work.group.split(".")[-2] for work in (*each.forward(), *each.backward())} == {layout}
    image, weight = meta(2, 1, 24, 24), meta(16, 1, 3, 3, layout=layout)
    output = meta(2, 16, 24, 24, layout=layout)
    arguments = output, image, weight, [16], *each.settings, [False, True, False]
    (work,) = work_of_call(aten.convolution_backward.default, *arguments)
    assert work.group == f"first_convolution.{layout}.single"


@pytest.mark.parametrize(
    ("each", "share"),
    [
        (Convolution(64, 64, 3), 1),
        (Convolution(64, 96, 3), 128 / 96),
        (Convolution(8, 16, 3), 64 / 16 * 96 / 72),  # 72 values are summed
        (Convolution(3, 64, 7), 160 / 147),
        (Convolution(64, 64, 3, groups=16), 64),  # 4 by 4 channels in tiles of 32 by 32
        (Convolution(128, 128, 3, groups=4), 1),
        (Convolution(64, 64, 3, groups=64), 1),
    ],
    ids=str,
)
def test_channels_fill_up_tiles(each: Convolution, share: float) -> None:
    (work,) = each.forward()
    assert work.padded_flops == pytest.approx(work.flops * share, rel=1e-9)


def test_groups_of_channels_are_items_of_blocks() -> None:
    """Each group is a product of its own. Depthwise kernels have none, and dense ones are a single product."""
    (grouped,) = Convolution(64, 64, 3, groups=16).forward()
    assert (grouped.items, grouped.blocks) == (grouped.flops, 16)
    for groups in (1, 64):
        (other,) = Convolution(64, 64, 3, groups=groups).forward()
        assert (other.items, other.blocks) == (0, 0)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_slice_of_channels_is_copied_first(layout: Layout) -> None:
    each = Convolution(8, 16, 3, layout=layout)
    part, output = meta(2, 32, 24, 24, layout=layout)[:, :8], each.output()
    copy, forward = work_of_call(aten.convolution.default, part, each.weight, None, *each.settings)
    assert (copy.kind, copy.group, copy.flops) == ("copy", "copy.permuted", 0)
    assert (copy.moved_bytes, copy.items) == (2 * 4 * part.numel(), part.numel())
    assert forward.moved_bytes == each.forward()[0].moved_bytes
    arguments = output, part, each.weight, [16], *each.settings, [True, True, False]
    assert work_of_call(aten.convolution_backward.default, *arguments)[0] == copy


def test_one_dimension() -> None:
    layer, x = nn.Conv1d(64, 32, 5, groups=2, bias=False, device=META), meta(2, 64, 40)
    (work,) = work_of_step(lambda: layer(x))
    assert work.flops == 2 * 2 * 36 * 32 * 32 * 5
    assert work.group == "grouped_convolution_16.forward.nchw.single"


@pytest.mark.parametrize(
    ("arguments", "kind", "narrowest"),
    [
        ({"kernel_size": 3, "padding": 1}, "conv", 8),
        ({"kernel_size": 1}, "linear", 8),  # (2 * 12 * 12, 8) @ (8, 16)
        ({"kernel_size": 3, "stride": 2}, "linear", 16),  # (2 * 5 * 5, 8 * 9) @ (8 * 9, 16)
    ],
)
def test_only_dense_3x3_of_stride_1_has_winograd(arguments: dict[str, int], kind: str, narrowest: int) -> None:
    layer, x = nn.Conv2d(8, 16, **arguments, bias=False, device=META), meta(2, 8, 12, 12)
    (work,) = work_of_step(lambda: layer(x))
    assert (work.kind, work.tf32, work.narrowest) == (kind, True, narrowest)
