"""Norm-Tuning: only the layer norms train."""

from torch import nn

from baselines.method import Method, parameters_of, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone


def apply_norm_tuning(backbone: SwinBackbone) -> Backbone:
    """Train weight and bias of every LayerNorm, output norms included: 4 d parameters per block."""
    train_only(backbone, parameters_of(backbone, nn.LayerNorm))
    return backbone


NORM_TUNING = Method(
    apply_norm_tuning,
    adds_structure=False,
    trains=("*.norm.weight", "*.norm.bias", "*.norm1.*", "norms.*"),
)
