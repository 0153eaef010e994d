"""BitFit (Zaken et al. 2021): only biases train."""

from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.method import Method, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone


class BiasOnlyNorm(nn.LayerNorm):
    """Layer norm whose bias trains while its weight is frozen.

    The backward pass of PyTorch 2.11 fails for many rows where the weight wants no gradient (pull request 192016). A
    view of the weight wants one here: it has as many numbers as a row, and is dropped with the graph. The weight itself
    stays frozen, and is no parameter that trains.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalize `input` (..., *normalized_shape) and return it in the same shape."""
        weight = self.weight.detach().requires_grad_()
        return F.layer_norm(input, self.normalized_shape, weight, self.bias, self.eps)


BIASED = (nn.Linear, nn.LayerNorm, nn.Conv2d)


def apply_bitfit(backbone: SwinBackbone) -> Backbone:
    """Train every bias and every relative position bias table.

    These are 11 d + 169 heads parameters per block at window 7. The tables are needed to reach the published 0.30 M and
    0.20 M, because the authors select parameters whose name contains "bias".
    """
    for norm in [module for module in backbone.modules() if type(module) is nn.LayerNorm]:
        norm.__class__ = BiasOnlyNorm  # keeps parameters, names and hooks
    biases = [m.bias for m in backbone.modules() if isinstance(m, BIASED) and isinstance(m.bias, nn.Parameter)]
    tables = [m.relative_position_bias_table for m in backbone.modules() if isinstance(m, WindowAttention)]
    train_only(backbone, biases + tables)
    return backbone


BITFIT = Method(apply_bitfit, adds_structure=False, trains=("*.bias", "*.relative_position_bias_table"))
