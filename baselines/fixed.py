"""Fixed: the backbone is a frozen feature extractor; only neck and heads train."""

from baselines.method import Method, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone


def apply_fixed(backbone: SwinBackbone) -> Backbone:
    """Freeze everything. The output norms stay at weight 1 and bias 0, as in the authors' released configurations."""
    train_only(backbone, [])
    return backbone


FIXED = Method(apply_fixed, adds_structure=False)
