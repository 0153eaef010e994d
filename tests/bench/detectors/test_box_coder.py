import math

import torch
from torchvision.models.detection._utils import BoxCoder as TorchvisionBoxCoder

from bench.detectors.box_coder import MAX_LOG_SCALE, BoxCoder

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def _boxes(count: int) -> torch.Tensor:
    corner = torch.rand(count, 2) * 100
    return torch.cat([corner, corner + 1 + torch.rand(count, 2) * 50], dim=1)


def test_encodes_as_torchvision_does() -> None:
    targets, anchors = _boxes(20), _boxes(20)
    expected = TorchvisionBoxCoder(WEIGHTS).encode_single(targets, anchors)
    torch.testing.assert_close(BoxCoder(WEIGHTS).encode(targets, anchors), expected)


def test_decodes_as_torchvision_does() -> None:
    deltas, anchors = torch.randn(20, 4) * 3, _boxes(20)
    expected = TorchvisionBoxCoder(WEIGHTS).decode_single(deltas, anchors)
    torch.testing.assert_close(BoxCoder(WEIGHTS).decode(deltas, anchors), expected)


def test_decode_undoes_encode() -> None:
    targets, anchors = _boxes(20), _boxes(20)
    coder = BoxCoder(WEIGHTS)
    torch.testing.assert_close(coder.decode(coder.encode(targets, anchors), anchors), targets)


def test_wild_predictions_and_empty_boxes_stay_finite() -> None:
    anchor = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    decoded = BoxCoder().decode(torch.full((1, 4), 1e6), anchor)
    width = decoded[0, 2] - decoded[0, 0]
    torch.testing.assert_close(width, torch.tensor(10 * math.exp(MAX_LOG_SCALE)), rtol=1e-2, atol=0)
    assert BoxCoder().encode(torch.zeros(1, 4), anchor).isfinite().all()
