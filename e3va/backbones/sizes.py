"""Names and sizes of the published Swins, and of a smaller one. Does not import PyTorch, as command lines list them."""

from dataclasses import dataclass

WINDOW_IMAGE_SIZE = {7: 224, 12: 384}
"""Window size -> image size of the ImageNet-22K pre-training with that window."""


@dataclass(frozen=True)
class SwinSize:
    """Width and depth of one Swin (Liu et al. 2021, section 3.3)."""

    embed_dim: int
    """Channels of the first stage; each later stage doubles them."""
    depths: tuple[int, ...]
    """Blocks per stage."""
    heads: tuple[int, ...]
    """Attention heads per stage."""
    pretrained_windows: tuple[int, ...]
    """Window sizes for which ImageNet-22K weights were published; empty for a size of our own, to train on a CPU."""


SWIN_SIZES = {
    "swin_nano": SwinSize(32, (2, 2, 2, 2), (1, 2, 4, 8), ()),
    "swin_tiny": SwinSize(96, (2, 2, 6, 2), (3, 6, 12, 24), (7,)),
    "swin_small": SwinSize(96, (2, 2, 18, 2), (3, 6, 12, 24), (7,)),
    "swin_base": SwinSize(128, (2, 2, 18, 2), (4, 8, 16, 32), (7, 12)),
    "swin_large": SwinSize(192, (2, 2, 18, 2), (6, 12, 24, 48), (7, 12)),
}
