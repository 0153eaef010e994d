"""Ways to run the frozen trunk in less memory or time. None of them changes a state dict."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e3va.backbones.base import Trunk, TrunkBlock
from e3va.backbones.swin import Branch, SwinBackbone, SwinBlock
from e3va.backbones.timm_swin import TappedBlock

GRAPHS_PER_BRANCH = 4
"""Compiled variants of a branch: with and without a recorded graph, each for a first image size and for any size."""


class InPlaceGELU(nn.Module):
    """GELU that overwrites its input where no graph is recorded, for layers whose input is not read elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)


def spare_hidden_values(backbone: SwinBackbone) -> None:
    """Make the MLPs overwrite their hidden values, so that 4 d values per token are held once instead of twice."""
    for block in backbone.blocks():
        for module in block.mlp_branch.modules():
            for name, child in list(module.named_children()):
                if type(child) is nn.GELU and child.approximate == "none":
                    setattr(module, name, InPlaceGELU())


def halve_first_stage(backbone: SwinBackbone) -> None:
    """Run the branches of the first stage on half of the batch at a time.

    Each stage has half as many values as the one before it, so that the temporary tensors of the first stage then take
    as much memory as those of the second. The maps of the first stage are large enough to keep a GPU busy with half a
    batch.
    """
    for block in backbone.stages[0].blocks:
        for branch in _branches(block):
            if isinstance(branch, Branch):
                branch.parts = 2


def lower_blocks(trunk: Trunk, dtype: torch.dtype) -> None:
    """Store and compute the blocks in another precision. Patch embedding, mergings and output norms keep theirs."""
    for stage in trunk.stages:
        for block in stage.blocks:
            block.to(dtype)


def compile_branches(trunk: Trunk, backend: str) -> int:
    """Compile the attention and the MLP of each block with `torch.compile`, which happens at their first call.

    Branches of one stage share kernels, and branches of different stages share their Python code. Returns how many
    variants of that code PyTorch must be allowed to compile (`e3va.private_parts.recompile_limit`), so that all
    branches run compiled.
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
