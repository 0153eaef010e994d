from collections.abc import Callable, Iterator
from importlib.metadata import entry_points

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from bench.detectors.targets import DetectionTargets
from drystep.alloc_conf import ALLOCATOR_VARIABLES
from e3va.backbones.swin import SwinBackbone

PLUGIN = "drystep.pytest_plugin.plugin"
INSTALLED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
pytest_plugins = ["pytester", *([] if INSTALLED else [PLUGIN])]

TAKE_LONG = ("nightly", "fuzz")
"""Marks of tests that have sessions of their own."""
TINY_DIM = 16
TINY_HEADS = (1, 2, 4, 8)
TINY_DEPTHS = (2, 2, 2, 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless `-m` asks for it or a test is named."""
    if any("::" in argument for argument in config.args):
        return
    marks = [mark for mark in TAKE_LONG if mark not in config.getoption("markexpr")]
    left_out = [item for item in items if any(map(item.get_closest_marker, marks))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def same_kernels() -> Iterator[None]:
    """A measuring process pins its kernels for good; where a test plays one, what was set before comes back."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    before = cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    yield
    cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before


@pytest.fixture(autouse=True)
def default_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures follow the allocator settings of the environment; those of tests are PyTorch's defaults."""
    for name in ALLOCATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tiny_swin() -> Callable[..., SwinBackbone]:
    """A Swin of 0.2 M parameters, with the structure of the real ones."""

    def build(
        out_stages: tuple[int, ...] = (0, 1, 2, 3),
        drop_path: float = 0.0,
        device: str = "cpu",
        seed: int = 0,
        dim: int = TINY_DIM,
    ) -> SwinBackbone:
        torch.manual_seed(seed)
        swin = SwinTransformer(
            embed_dim=dim,
            depths=TINY_DEPTHS,
            num_heads=TINY_HEADS,
            window_size=7,
            num_classes=0,
            strict_img_size=False,
            always_partition=True,
            drop_path_rate=drop_path,
            device=device,
        )
        return SwinBackbone(swin, out_stages)

    return build


@pytest.fixture
def targets() -> Callable[..., DetectionTargets]:
    """Boxes inside an image, with masks that fill them."""

    def build(batch: int, objects: int, height: int, width: int, classes: int) -> DetectionTargets:
        scale = torch.tensor([width, height])
        corner = torch.rand(batch, objects, 2) * 0.5 * scale
        boxes = torch.cat([corner, corner + (0.2 + 0.3 * torch.rand(batch, objects, 2)) * scale], dim=-1)
        return DetectionTargets(boxes, torch.randint(classes, (batch, objects)), _fill(boxes, height, width))

    return build


def _fill(boxes: Tensor, height: int, width: int) -> Tensor:
    x1, y1, x2, y2 = boxes[..., None, None, :].unbind(-1)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    return ((y >= y1) & (y < y2) & (x >= x1) & (x < x2)).to(torch.uint8)
