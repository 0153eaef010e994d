"""SegFormer (Mix Transformer B0 to B5) on ADE20K as mmsegmentation's model zoo trains it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from drystep.errors import choose
from drystep.validation.rebuilds.segmentation_parts import ConvNormReLU, PixelClassifier, crops, pixel_loss, resized
from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep

VARIANTS = {
    "b0": (32, (2, 2, 2, 2)), "b1": (64, (2, 2, 2, 2)), "b2": (64, (3, 4, 6, 3)), "b3": (64, (3, 4, 18, 3)),
    "b4": (64, (3, 8, 27, 3)), "b5": (64, (3, 6, 40, 3)),
}  # fmt: skip
"""Channels of the first stage, and blocks of each stage (SegFormer, table 6)."""
HEADS, REDUCTIONS = (1, 2, 5, 8), (8, 4, 2, 1)
"""Of the stages: attention heads, and the factor by which the sides of keys and values shrink."""
DROP_PATH, HEAD_WIDTH, CLASSES = 0.1, 256, 150


class ReducedAttention(nn.Module):
    """Attention whose keys and values come from a smaller map; all its weights are written, as PyTorch 1.x did."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads)
        self.shrink = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(self, x: Tensor, height: int) -> Tensor:
        """(B, N, d) -> (B, N, d)."""
        seen = x
        if self.shrink is not None and self.norm is not None:
            seen = self.norm(_as_tokens(self.shrink(_as_map(x, height))))
        queries, keys = x.transpose(0, 1), seen.transpose(0, 1)  # (N, B, d)
        mixed, _ = self.attention(queries, keys, keys)
        return mixed.transpose(0, 1)


class MixBlock(nn.Module):
    """Attention, then a perceptron with a 3x3 convolution of each channel, both on residual branches."""

    def __init__(self, width: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), ReducedAttention(width, heads, reduction)
        self.perceptron_norm, self.drop_path = nn.LayerNorm(width), drop_path
        self.perceptron = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1),
        )

    def forward(self, x: Tensor, height: int) -> Tensor:
        """(B, N, d) -> (B, N, d)."""
        x = x + self._kept(self.attention(self.norm(x), height))
        return x + self._kept(_as_tokens(self.perceptron(_as_map(self.perceptron_norm(x), height))))

    def _kept(self, branch: Tensor) -> Tensor:
        """A branch without those of some images (stochastic depth)."""
        if not self.drop_path:
            return branch
        kept = torch.rand(branch.shape[0], 1, 1, device=branch.device).add(1 - self.drop_path).floor()
        return branch / (1 - self.drop_path) * kept


class Stage(nn.Module):
    """Overlapping patches, blocks, and a norm."""

    def __init__(self, inputs: int, number: int, width: int, drop_paths: Sequence[float]) -> None:
        super().__init__()
        kernel, stride = (3, 2) if number else (7, 4)
        self.patches, self.patch_norm = nn.Conv2d(inputs, width, kernel, stride, kernel // 2), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(MixBlock(width, HEADS[number], REDUCTIONS[number], p) for p in drop_paths)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, d, H / stride, W / stride)."""
        x = self.patches(x)
        height = x.shape[2]
        x = self.patch_norm(x.flatten(2).transpose(1, 2))
        for block in self.blocks:
            x = block(x, height)
        return _as_map(self.norm(x), height)


class SegFormer(nn.Module):
    """The four stages, and a head that joins their maps at the finest size."""

    def __init__(self, width: int, depths: Sequence[int], classes: int) -> None:
        super().__init__()
        drops = [DROP_PATH * block / (sum(depths) - 1) for block in range(sum(depths))]
        widths = [width * heads for heads in HEADS]
        starts = [sum(depths[:number]) for number in range(len(depths))]
        self.stages = nn.ModuleList(
            Stage(before, number, after, drops[start : start + depth])
            for number, (before, after, start, depth) in enumerate(
                zip((3, *widths[:-1]), widths, starts, depths, strict=True)
            )
        )
        self.projections = nn.ModuleList(ConvNormReLU(inputs, HEAD_WIDTH, 1) for inputs in widths)
        self.join = ConvNormReLU(len(widths) * HEAD_WIDTH, HEAD_WIDTH, 1)
        self.classifier = PixelClassifier(HEAD_WIDTH, classes)

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W) and classes of pixels (B, H, W) -> their loss."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        projected = [resized(project(x), maps[0]) for project, x in zip(self.projections, maps, strict=True)]
        return pixel_loss(self.classifier(self.join(torch.cat(projected, dim=1))), targets)


def segformer(variant: str, batch_size: int, side: int) -> BuildStep:
    """AdamW; synchronised batch norms are rebuilt as batch norms, which keep the same."""
    width, depths = VARIANTS[choose("SegFormer", variant, VARIANTS)]

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            model = SegFormer(width, depths, CLASSES).train()

        def make_batch() -> Batch:
            return crops(batch_size, side, side, device)

        optimizer = torch.optim.AdamW(model.parameters(), lr=6e-5, weight_decay=0.01)
        return TrainingStep(model, optimizer, make_batch, model)

    return build_step


def _as_map(tokens: Tensor, height: int) -> Tensor:
    """(B, N, d) -> (B, d, H, W), in a copy."""
    batch_size, _, width = tokens.shape
    return tokens.transpose(1, 2).reshape(batch_size, width, height, -1).contiguous()


def _as_tokens(x: Tensor) -> Tensor:
    """(B, d, H, W) -> (B, N, d), in a copy."""
    return x.flatten(2).transpose(1, 2).contiguous()
