"""Widths of heads, and the smallest backbone, under all methods."""

import pytest
import torch

from bench.cases.methods import METHODS
from bench.detectors.cascade_mask_rcnn import CascadeMaskRCNN
from bench.detectors.retinanet import RetinaNet
from bench.detectors.upernet import UPerNet
from e3va.backbones.swin import build_swin

CLASSES, ANCHORS = 5, 9
STAGES = (32, 64, 128, 256)


def _conv(inputs: int, outputs: int, kernel: int, bias: bool = True) -> int:
    return inputs * outputs * kernel**2 + (outputs if bias else 0)


def _conv_norm(inputs: int, outputs: int, kernel: int) -> int:
    return _conv(inputs, outputs, kernel, bias=False) + 2 * outputs


def _count(model: torch.nn.Module) -> int:
    return sum(p.numel() for name, p in model.named_parameters() if not name.startswith("backbone."))


def test_a_narrow_retinanet() -> None:
    c = 24
    pyramid = (
        sum(_conv(width, c, 1) + _conv(c, c, 3) for width in STAGES[1:]) + _conv(STAGES[-1], c, 3) + _conv(c, c, 3)
    )
    towers = 2 * 2 * _conv(c, c, 3) + _conv(c, ANCHORS * CLASSES, 3) + _conv(c, ANCHORS * 4, 3)
    swin = build_swin("swin_nano", out_stages=(1, 2, 3), device="meta")
    assert _count(RetinaNet(swin, CLASSES, channels=c, tower_length=2)) == pyramid + towers


def test_a_narrow_cascade() -> None:
    c, fc = 24, 40
    pyramid = sum(_conv(width, c, 1) + _conv(c, c, 3) for width in STAGES)
    rpn = _conv(c, c, 3) + _conv(c, 3, 1) + _conv(c, 12, 1)
    box = 4 * _conv_norm(c, c, 3) + (49 * c + 1) * fc + (fc + 1) * (CLASSES + 1) + (fc + 1) * CLASSES * 4
    mask = 4 * _conv(c, c, 3) + _conv(c, c, 2) + _conv(c, CLASSES, 1)
    model = CascadeMaskRCNN(build_swin("swin_nano", device="meta"), CLASSES, channels=c, fc_channels=fc)
    assert _count(model) == pyramid + rpn + 3 * (box + mask)


def test_a_narrow_upernet() -> None:
    c, auxiliary = 24, 12
    pooling = 4 * _conv_norm(STAGES[-1], c, 1) + _conv_norm(STAGES[-1] + 4 * c, c, 3)
    laterals = sum(_conv_norm(width, c, 1) + _conv_norm(c, c, 3) for width in STAGES[:-1])
    head = pooling + laterals + _conv_norm(4 * c, c, 3) + _conv(c, CLASSES, 1)
    fcn = _conv_norm(STAGES[2], auxiliary, 3) + _conv(auxiliary, CLASSES, 1)
    model = UPerNet(build_swin("swin_nano", device="meta"), CLASSES, channels=c, auxiliary_channels=auxiliary)
    assert _count(model) == head + fcn


@pytest.mark.parametrize("method", METHODS)
def test_the_smallest_swin_takes_every_method(method: str) -> None:
    backbone = METHODS[method].load().apply(build_swin("swin_nano"))
    features = backbone(torch.randn(1, 3, 64, 96))
    assert [feature.shape for feature in features] == [
        (1, width, 16 // 2**stage, 24 // 2**stage) for stage, width in enumerate(STAGES)
    ]
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    if trained:
        sum(feature.square().mean() for feature in features).backward()
        assert any(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trained)
