import pytest
import torch

from bench.detectors.fpn import FPN


@pytest.mark.parametrize(
    ("extra", "in_channels", "parameters", "sizes"),
    [
        ("strided_conv", (384, 768, 1536), 6_588_416, [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)]),
        ("max_pool", (128, 256, 512, 1024), 2_852_864, [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]),
        ("max_pool", (192, 384, 768, 1536), 3_098_624, [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]),
    ],
)
def test_parameters_and_levels(extra: str, in_channels: tuple, parameters: int, sizes: list) -> None:
    with torch.device("meta"):
        neck = FPN(in_channels, extra)
        features = [torch.empty(1, c, *size) for c, size in zip(in_channels, sizes, strict=False)]
    assert sum(p.numel() for p in neck.parameters()) == parameters
    assert [tuple(level.shape) for level in neck(features)] == [(1, 256, *size) for size in sizes]
