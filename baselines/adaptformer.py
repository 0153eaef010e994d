"""AdaptFormer (Chen et al. 2022): scaled bottlenecks in parallel to both branches of every block."""

from torch import Tensor, nn

from baselines.adapter import Bottleneck
from baselines.method import Method, parameters_of, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone

SCALE = 0.1


class ParallelBottleneck(Bottleneck):
    """A bottleneck whose up-projection starts at zero, so that its output is zero at first."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        nn.init.zeros_(self.up.weight)


class ParallelBranch(nn.Module):
    """A branch with a parallel adapter: DropPath(branch(x)) + scale * adapter(x).

    The adapter reads the residual stream, and DropPath does not apply to it.
    """

    def __init__(self, branch: nn.Module, drop_path: nn.Module, dim: int) -> None:
        super().__init__()
        self.branch = branch
        self.drop_path = drop_path
        self.adapter = ParallelBottleneck(dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        return self.drop_path(self.branch(x)) + SCALE * self.adapter(x)


def apply_adaptformer(backbone: SwinBackbone) -> Backbone:
    """Put an adapter beside attention and MLP of every block: 2 (129 d + 64) parameters per block.

    The original has one adapter per block, beside the MLP. The text of the E3VA paper and its 4.66 M parameters imply a
    second one.
    """
    with backbone.device:
        for block in backbone.blocks():
            block.attention_branch = ParallelBranch(block.attention_branch, block.drop_path1, block.dim)
            block.mlp_branch = ParallelBranch(block.mlp_branch, block.drop_path2, block.dim)
            block.drop_path1, block.drop_path2 = nn.Identity(), nn.Identity()
    train_only(backbone, parameters_of(backbone, ParallelBottleneck))
    return backbone


ADAPTFORMER = Method(
    apply_adaptformer,
    adds_structure=True,
    trains=("stages.*.blocks.*_branch.adapter.*",),
)
