"""What detectors and methods need from a Swin: feature maps, and stages whose blocks give access to both branches."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Tap = Callable[[Tensor, Tensor], object]
"""A function that is called with a branch output before and after its DropPath."""


class Backbone(nn.Module):
    """Maps images (B, 3, H, W) to feature maps (B, C_k, H_k, W_k), finest first."""

    out_channels: list[int]
    """C_k of each map."""
    tuned = False
    """Whether a fine-tuning method was applied, which can be done once."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> a list of (B, C_k, H_k, W_k)."""
        raise NotImplementedError


def require_untuned(backbone: Backbone) -> None:
    """Raise `ValueError` if a method was applied to the backbone before."""
    if backbone.tuned:
        raise ValueError(
            "a fine-tuning method was applied to this backbone already, and it takes one: build a new backbone"
        )


def ignore(before: Tensor, after: Tensor) -> None:
    """A tap that does nothing."""


class TrunkBlock(nn.Module):
    """A block with two residual branches, whose outputs are passed to a tap."""

    dim: int
    """Channels."""

    def forward(self, x: Tensor, tap: Tap = ignore) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C). `tap` is called with each branch output before and after its DropPath."""
        raise NotImplementedError


class TrunkStage(nn.Module):
    """Patch merging (absent in the first stage), then the blocks of one resolution."""

    downsample: nn.Module
    blocks: Sequence[TrunkBlock]

    def forward(self, x: Tensor) -> Tensor:  # (B, 2H, 2W, C/2) -> (B, H, W, C)
        x = self.downsample(x)
        for block in self.blocks:
            x = block(x)
        return x


class Trunk(Backbone):
    """A Swin as a dense-prediction backbone: one feature map per chosen stage, through a LayerNorm of its own.

    Takes (B, 3, H, W); returns a list of contiguous (B, C_k, H/2^(k+2), W/2^(k+2)).
    The output norms are the "pre-FPN" norms of the paper (section 3.2). Checkpoints have no weights for them.
    """

    patch_embed: nn.Module
    """(B, 3, H, W) -> (B, H/4, W/4, C)."""
    stages: Sequence[TrunkStage]
    norms: nn.ModuleDict
    """Stage index -> output norm."""

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.patch_embed(images)  # (B, H/4, W/4, C)
        outputs = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if self.has_output(index):
                outputs.append(self.output(index, x))
        return outputs

    @property
    def device(self) -> torch.device:
        """Device of the parameters, on which new modules are created as well."""
        return next(self.parameters()).device

    def has_output(self, stage_index: int) -> bool:
        """Whether the map of this stage is one of the outputs."""
        return str(stage_index) in self.norms

    def output(self, stage_index: int, x: Tensor) -> Tensor:
        """Apply the output norm of one stage: (B, H, W, C) -> contiguous (B, C, H, W)."""
        return self.norms[str(stage_index)](x).permute(0, 3, 1, 2).contiguous()

    def _add_output_norms(self, dims: Sequence[int], out_stages: Sequence[int]) -> None:
        """Set `out_channels` and `norms`. Raises `ValueError` unless `out_stages` are some of the stages."""
        unknown = sorted(set(out_stages) - set(range(len(dims))))
        if unknown or not out_stages:
            raise ValueError(f"out_stages {tuple(out_stages)} must be a choice of {tuple(range(len(dims)))}")
        self.out_channels = [dims[index] for index in out_stages]
        norms = {str(index): nn.LayerNorm(dims[index], device=self.device) for index in out_stages}
        self.norms = nn.ModuleDict(norms)
