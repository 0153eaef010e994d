"""Which rule counts an operator, and which operators count."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from drystep.operators import Work
from drystep.time.work import work_of
from tests.drystep.time.counted import META, meta, traced, work_of_step

aten = torch.ops.aten


def test_views_are_free_and_copies_are_charged() -> None:
    tensor = meta(4, 6)
    contiguous = work_of_step(lambda: tensor.t().contiguous())
    assert work_of_step(lambda: tensor.t().reshape(24, 1)[1:].unsqueeze(0)) == contiguous
    assert [(copy.kind, copy.moved_bytes) for copy in contiguous] == [("copy", 2 * 4 * 24)]
    free = work_of_step(lambda: (tensor.view(24), tensor.detach(), tensor.expand(2, 4, 6), torch.empty_like(tensor)))
    assert free == []
    (plain,) = work_of_step(lambda: tensor.clone())
    assert (plain.kind, plain.moved_bytes) == ("elementwise", 2 * 4 * 24)


def test_operations_are_those_of_pytorchs_counter() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 4, stride=4), nn.Flatten(), nn.Linear(8 * 9, 5)
    ).to(META)
    images = meta(2, 3, 12, 12)

    def step() -> None:
        model(images).sum().backward()

    with FlopCounterMode(display=False) as counter:
        step()
    assert sum(work.flops for work in work_of_step(step)) == counter.get_total_flops()


def test_only_the_steps_that_count_are_weighed() -> None:
    x = meta(10)
    trace = traced(lambda: x + 1)
    assert len(trace.work) == 1
    assert trace.work[0][0] == trace.first_operators[-1]
    assert trace.operators[trace.work[0][0]].phase == "forward"


def test_one_part_or_several_come_as_a_tuple() -> None:
    image, weight, bias = meta(2, 8, 12, 12), meta(16, 8, 3, 3), meta(16)
    for added, parts in ((None, 1), (bias, 2)):
        args = image, weight, added, [1, 1], [1, 1], [1, 1], False, [0, 0], 1
        counted = work_of(aten.convolution.default, args, {}, aten.convolution.default(*args))
        assert isinstance(counted, tuple)
        assert [type(part) for part in counted] == [Work] * parts


def test_autocast_casts_what_a_layer_takes() -> None:
    """Input, weight and bias are read in 4 bytes a value and written in 2, in every step again."""
    layer, x = nn.Linear(32, 16, device=META), meta(8, 32)

    def step() -> None:
        layer(x).sum().backward()

    trace = traced(step, "amp-fp16")
    forward = [work for operator, work in trace.work if trace.operators[operator].phase == "forward"]
    casts = [work.moved_bytes for work in forward if work.group == "copy.cast"]
    assert sorted(casts) == sorted(6 * values for values in (8 * 32, 32 * 16, 16))
    assert [work.dtype for work in forward if work.flops] == [torch.float16]
    assert not [work for work in work_of_step(step) if work.group == "copy.cast"]
