"""The frozen trunk: what a forward pass without a graph can do for less."""

import torch
from torch import Tensor, nn

from models.swin import Branch, SwinBackbone


class InPlaceGELU(nn.Module):
    """GELU that overwrites its input, for layers whose input nobody reads again: no graph, and no second reader."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.aten.gelu_(x)


def spare_hidden_values(backbone: SwinBackbone) -> None:
    """Let the MLPs of frozen blocks overwrite their widest values: 4 d per token once instead of twice, same numbers.

    From then on the blocks must run under `no_grad`.
    """
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
        for branch in (block.attention_branch, block.mlp_branch):
            if isinstance(branch, Branch):
                branch.parts = 2
