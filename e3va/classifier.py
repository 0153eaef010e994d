"""A timm Swin that classifies images, trained with E3VA: its frozen stages, a highway beside them, and its own head."""

from typing import cast

from torch import Tensor, nn

from e3va.backbones.timm_swin import TimmSwin
from e3va.model import E3VA, Form


class E3VAClassifier(nn.Module):
    """A timm Swin, version 1 or 2, of which the highway, the last output norm and the head train.

    Raises `ValueError` for another model, and what `E3VA` refuses.
    """

    def __init__(self, model: nn.Module, rank: int = 8, form: Form = "fused") -> None:
        super().__init__()
        trunk = TimmSwin(model)
        last = len(trunk.stages) - 1
        self.backbone = E3VA(TimmSwin(model, out_stages=(last,)), rank, form=form)
        self.head = cast(nn.Module, model.head)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits (B, classes)."""
        (features,) = self.backbone(images)  # (B, C, H / 32, W / 32)
        return self.head(features.permute(0, 2, 3, 1))  # timm's head pools a map with channels last


def e3va_classifier(model: nn.Module, rank: int = 8, form: Form = "fused") -> E3VAClassifier:
    """Train a timm Swin with E3VA: the method `e3va` of `drystep fit timm:swin_... --method e3va`.

    The rank is that of the paper's section 3.3 (its alpha). Raises what `E3VAClassifier` raises.
    """
    return E3VAClassifier(model, rank, form)
