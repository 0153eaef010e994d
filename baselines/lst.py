"""LST (Sung et al. 2022, "LST: Ladder Side-Tuning", NeurIPS): a narrow Swin that reads the blocks of the frozen one.

The source tunes T5 and CLIP-T5. As there, all inner widths are divided by 8 while the number of heads stays, each
backbone block has a side block, every rung has a linear downsample and a learned gate, the side weights are pruned from
the backbone's, and a norm and a linear upsample follow at the end. Adapted to Swin and to detectors:

- the side network has patch mergings of its own, which are pruned like its blocks;
- every level that the detector reads has a norm and an upsample, whose result is added to the frozen map. The upsample
  starts at zero, so that the model starts as the frozen one (T5's head only reads the side network);
- the downsamples of the rungs start by selecting the channels that pruning kept, which the pruned weights expect.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from timm.layers import Mlp
from timm.models.swin_transformer import PatchMerging, WindowAttention
from torch import Tensor, nn

from baselines.method import Method, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import AttentionBranch, MlpBranch, SwinBackbone, SwinBlock, SwinStage

REDUCTION = 8
"""Width of the backbone divided by that of the side network (section 4.1 of the source)."""
GATE_TEMPERATURE = 0.1
"""Temperature of the gates' sigmoid (section 3.2 of the source)."""
MERGED = 4
"""Number of pixels that a patch merging concatenates."""


class SideStage(nn.Module):
    """The side network of one stage. Before each side block, a gate mixes in the output of the backbone's block.

    s_i = block_i(mu_i down_i(l_i) + (1 - mu_i) s_{i-1}) with mu_i = sigmoid(alpha_i / T) and alpha_i = 0 at first.
    """

    def __init__(self, stage: SwinStage, channels_before: Tensor, channels: Tensor) -> None:
        super().__init__()
        self.downsample = _prune_merging(stage.downsample, channels_before, channels)
        self.rungs = nn.ModuleList(_pick(stage.blocks[0].dim, channels) for _ in stage.blocks)
        self.gates = nn.Parameter(torch.zeros(len(stage.blocks)))  # alpha_i
        self.blocks = nn.ModuleList(_prune_block(copy.deepcopy(block), channels) for block in stage.blocks)

    def forward(self, side: Tensor, trunk: Iterable[Tensor]) -> Tensor:
        """Side map before the stage, and the backbone's map (B, H, W, C) after each block -> (B, H, W, C / 8)."""
        side = self.downsample(side)
        open_by = (self.gates / GATE_TEMPERATURE).sigmoid()
        for rung, mu, block, x in zip(self.rungs, open_by, self.blocks, trunk, strict=True):
            side = block(mu * rung(x) + (1 - mu) * side)
        return side


class SideNetwork(nn.Module):
    """All that LST trains: a first downsample, the side stages, and a norm and an upsample per output."""

    def __init__(self, backbone: SwinBackbone) -> None:
        super().__init__()
        kept = [_largest_rows(_opening(backbone, index).weight) for index in range(len(backbone.stages))]
        self.first = _pick(backbone.stages[0].blocks[0].dim, kept[0])
        stages = zip(backbone.stages, [kept[0], *kept], kept, strict=False)
        self.stages = cast(Sequence[SideStage], nn.ModuleList(SideStage(*arguments) for arguments in stages))
        dims = zip(backbone.norms, backbone.out_channels, strict=True)
        self.ups = nn.ModuleDict({stage_index: _up(dim) for stage_index, dim in dims})


class LadderSideTuning(Backbone):
    """A frozen Swin with a ladder side network, called like the Swin it wraps. No gradient enters the backbone."""

    def __init__(self, backbone: SwinBackbone) -> None:
        super().__init__()
        train_only(backbone, [])
        self.backbone = backbone
        self.out_channels = backbone.out_channels
        with backbone.device:
            self.side = SideNetwork(backbone).requires_grad_(True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the feature maps of the chosen stages, (B, C_k, H_k, W_k) each."""
        with torch.no_grad():
            trunk = self.backbone.patch_embed(images)  # (B, H/4, W/4, C)
        side = self.side.first(trunk)
        outputs = []
        for index, (stage, side_stage) in enumerate(zip(self.backbone.stages, self.side.stages, strict=True)):
            maps: list[Tensor] = []
            with torch.no_grad():
                trunk = stage.downsample(trunk)
                for block in stage.blocks:
                    trunk = block(trunk)
                    maps.append(trunk)
            side = side_stage(side, maps)
            if self.backbone.has_output(index):
                outputs.append(self.backbone.output(index, trunk + self.side.ups[str(index)](side)))
        return outputs


def _opening(backbone: SwinBackbone, stage_index: int) -> nn.Linear | nn.Conv2d:
    """The layer that first writes the residual stream of a stage."""
    if stage_index == 0:
        return cast(nn.Conv2d, backbone.patch_embed.proj)
    return cast(nn.Linear, backbone.stages[stage_index].downsample.reduction)


def _largest_rows(weight: Tensor) -> Tensor:
    """Ascending indices of the eighth of the output channels with the largest L1 norm (section 3.3 of the source).

    Raises `ValueError` if the width is not divisible by 8.
    """
    if len(weight) % REDUCTION:
        raise ValueError(f"a width of {len(weight)} does not divide by {REDUCTION}, LST's reduction")
    norms = weight.detach().abs().flatten(1).sum(1)
    return norms.topk(len(weight) // REDUCTION).indices.sort().values


def _prune_merging(merging: nn.Module, channels_before: Tensor, channels: Tensor) -> nn.Module:
    """Cut a patch merging down to the kept channels. The first stage has none, and its module is returned as it is."""
    if not isinstance(merging, PatchMerging):
        return merging
    pruned = copy.deepcopy(merging)
    pruned.dim, pruned.out_dim = len(channels_before), len(channels)
    merged = torch.cat([pixel * merging.dim + channels_before for pixel in range(MERGED)])
    pruned.norm = _slice_norm(merging.norm, merged)
    pruned.reduction = _slice(merging.reduction, channels, merged)
    return pruned


def _prune_block(block: SwinBlock, channels: Tensor) -> SwinBlock:
    """Cut a block of the shared Swin down to some channels of its residual stream, in place.

    Each head keeps the dimensions whose queries, keys and values have the largest weights, and the MLP keeps its hidden
    channels with the largest weights. Relative position biases are per head, so they stay.
    """
    block.dim = len(channels)
    attending, mlp_branch = cast(AttentionBranch, block.attention_branch).block, cast(MlpBranch, block.mlp_branch)
    attention, mlp = cast(WindowAttention, attending.attn), cast(Mlp, mlp_branch.mlp)
    attending.norm1 = _slice_norm(attending.norm1, channels)
    mlp_branch.norm = _slice_norm(cast(nn.LayerNorm, mlp_branch.norm), channels)
    dim, head_dim = attention.qkv.in_features, attention.qkv.in_features // attention.num_heads
    per_head = attention.qkv.weight.view(3, attention.num_heads, head_dim, dim).permute(1, 2, 0, 3)
    inner = torch.cat([head * head_dim + _largest_rows(rows) for head, rows in enumerate(per_head)])
    attention.qkv = _slice(attention.qkv, torch.cat([part * dim + inner for part in range(3)]), channels)
    attention.proj = _slice(attention.proj, channels, inner)
    attention.scale = (head_dim // REDUCTION) ** -0.5
    hidden = _largest_rows(mlp.fc1.weight)
    mlp.fc1, mlp.fc2 = _slice(mlp.fc1, hidden, channels), _slice(mlp.fc2, channels, hidden)
    return block


@torch.no_grad()
def _slice(linear: nn.Linear, rows: Tensor, columns: Tensor) -> nn.Linear:
    """A copy of a linear layer with some of its outputs and inputs."""
    sliced = nn.Linear(len(columns), len(rows), bias=linear.bias is not None)
    sliced.weight.copy_(linear.weight[rows][:, columns])
    if linear.bias is not None:
        sliced.bias.copy_(linear.bias[rows])
    return sliced


@torch.no_grad()
def _slice_norm(norm: nn.LayerNorm, channels: Tensor) -> nn.LayerNorm:
    """A copy of a layer norm with some of its channels."""
    sliced = nn.LayerNorm(len(channels), eps=norm.eps)
    sliced.weight.copy_(norm.weight[channels])
    sliced.bias.copy_(norm.bias[channels])
    return sliced


@torch.no_grad()
def _pick(dim: int, channels: Tensor) -> nn.Linear:
    """The downsample of a rung, dim -> len(channels), which starts by selecting those channels."""
    rung = nn.Linear(dim, len(channels))
    rung.weight.copy_(torch.eye(dim)[channels])
    nn.init.zeros_(rung.bias)
    return rung


def _up(dim: int) -> nn.Sequential:
    """Norm and upsample to the width of the backbone. The upsample starts at zero."""
    upsample = nn.Linear(dim // REDUCTION, dim)
    nn.init.zeros_(upsample.weight)
    nn.init.zeros_(upsample.bias)
    return nn.Sequential(nn.LayerNorm(dim // REDUCTION), upsample)


def apply_lst(backbone: SwinBackbone) -> Backbone:
    """Train a side network of an eighth of the width. The output norms stay frozen, as in Fixed.

    A block of width d has 12 d'^2 + 13 d' + 169 heads parameters (window 7) with d' = d / 8, and its rung and gate have
    d d' + d' + 1.
    """
    return LadderSideTuning(backbone)


LST = Method(apply_lst, adds_structure=True, trains=("side.*",))
