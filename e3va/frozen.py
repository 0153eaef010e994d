"""The frozen trunk: what blocks that never see a gradient can do for less. None of it changes a state dict."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e3va.backbones.base import Trunk, TrunkBlock
from e3va.backbones.swin import Branch, SwinBackbone, SwinBlock
from e3va.backbones.timm_swin import TappedBlock

GRAPHS_PER_BRANCH = 4
"""With and without a recorded graph, for a first image size and for any."""


class InPlaceGELU(nn.Module):
    """GELU that overwrites its input where no graph is recorded, for layers whose input nobody else reads."""

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)


def spare_hidden_values(backbone: SwinBackbone) -> None:
    """Let the MLPs overwrite their widest values: 4 d per token once instead of twice, and the same numbers."""
    for block in backbone.blocks():
        for module in block.mlp_branch.modules():
            for name, child in list(module.named_children()):
                if type(child) is nn.GELU and child.approximate == "none":
                    setattr(module, name, InPlaceGELU())


def halve_first_stage(backbone: SwinBackbone) -> None:
    """Run the first stage's branches on half of the batch at a time.

    A stage has half the values of the one before: now the first needs for its temporaries what the second does, and its
    maps are large enough to keep a GPU busy with half a batch.
    """
    for block in backbone.stages[0].blocks:
        for branch in _branches(block):
            if isinstance(branch, Branch):
                branch.parts = 2


def lower_blocks(trunk: Trunk, dtype: torch.dtype) -> None:
    """Store and compute the blocks in another precision; patch embedding, mergings and output norms stay."""
    for stage in trunk.stages:
        for block in stage.blocks:
            block.to(dtype)


def compile_branches(trunk: Trunk, backend: str) -> int:
    """Let `torch.compile` make kernels for attention and MLP of each block, at their first call.

    Branches of a stage share kernels, those of several stages their Python code. Returns how many variants of that code
    PyTorch must be allowed to make (`e3va.private_parts.recompile_limit`) for all branches to run compiled.
    """
    branches = [branch for stage in trunk.stages for block in stage.blocks for branch in _branches(block)]
    for branch in branches:
        branch.compile(backend=backend)
    return GRAPHS_PER_BRANCH * len(branches)


def _branches(block: TrunkBlock) -> tuple[nn.Module, ...]:
    if isinstance(block, SwinBlock):
        return block.attention_branch, block.mlp_branch
    inner = block.block if isinstance(block, TappedBlock) else block
    return tuple(module for name, module in inner.named_children() if name in ("attn", "mlp"))
