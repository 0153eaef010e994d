"""Full fine-tuning: every parameter trains."""

from baselines.method import Method
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone


def apply_full(backbone: SwinBackbone) -> Backbone:
    """Train everything, output norms included: 12 d^2 + 13 d + 169 heads parameters per block at window 7."""
    return backbone.requires_grad_(True)


FULL = Method(apply_full, adds_structure=False, trains=("*",))
