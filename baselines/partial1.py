"""Partial-1 (Yosinski et al. 2014): only the last block trains."""

from baselines.method import Method, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone


def apply_partial1(backbone: SwinBackbone) -> Backbone:
    """Train the last block of the last stage, and no output norm: 12 d^2 + 13 d + 169 heads parameters (window 7)."""
    train_only(backbone, backbone.blocks()[-1].parameters())
    return backbone


PARTIAL1 = Method(apply_partial1, adds_structure=False, trains=("stages.3.blocks.1.*",))
