"""The networks of measured runs by name, including torchvision's classifiers."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from drystep.errors import choose
from drystep.validation.ground_truth import MeasuredRun
from drystep.validation.hub_configs import CONFIGS
from drystep.validation.language_models import LanguageModel
from drystep.validation.xmem_loop import Network, build_on_meta


def network_of(run: MeasuredRun) -> Network:
    """Return the network that a run trains.

    Raises `ValueError` for an unknown model, or a library that is not installed.
    """
    if run.kind == "cnn":
        names = torchvision.models.list_models(module=torchvision.models)
        return Classifier(choose("torchvision model", run.model, names), run)
    return LanguageModel(choose("language model", run.model.lower(), CONFIGS), run.batch_size)


@dataclass(frozen=True)
class Classifier:
    """A torchvision model with cross-entropy over its classes."""

    name: str
    run: MeasuredRun

    def build(self) -> nn.Module:
        """Build the model without pretrained weights."""
        return build_on_meta(
            lambda: torchvision.models.get_model(self.name, weights=None, num_classes=self.run.num_classes)
        )

    def batch(self, device: torch.device) -> dict[str, Tensor]:
        """Images (B, 3, H, W) and labels (B,)."""
        count = self.run.batch_size
        images = torch.empty(count, 3, *self.run.image_size, device=device)
        return {"images": images, "labels": torch.zeros(count, dtype=torch.long, device=device)}

    def forward(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Scores of the classes, (B, classes)."""
        return model(batch["images"])

    def loss(self, output: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(output, batch["labels"])

    def logits(self, output: Tensor) -> Tensor:
        """The output of the model itself."""
        return output
