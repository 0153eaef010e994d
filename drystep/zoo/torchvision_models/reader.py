"""The code of a model of torchvision, by its name."""

import importlib.util
from collections.abc import Callable

from drystep.errors import choose
from drystep.zoo.model_code import ModelCode
from drystep.zoo.settings import StepSettings
from drystep.zoo.torchvision_models.classification import classifier
from drystep.zoo.torchvision_models.detection import detector
from drystep.zoo.torchvision_models.flow import flow_model
from drystep.zoo.torchvision_models.request import Request
from drystep.zoo.torchvision_models.segmentation import segmenter
from drystep.zoo.torchvision_models.video import video_model

QUANTIZED = "quantized_"
FAMILIES: dict[str, Callable[[Request], ModelCode]] = {
    "detection": detector,
    "segmentation": segmenter,
    "video": video_model,
    "optical_flow": flow_model,
}
"""Package of `torchvision.models` -> what makes the code of its models; all others are classifiers of images."""


def torchvision_model(name: str, settings: StepSettings, image_size: tuple[int, int] | None) -> ModelCode:
    """The code of a model that torchvision registers, for images of a size, or of the size of its default weights.

    Raises `ValueError` where torchvision is not installed or does not know the name, for a quantized model, an image
    size that the model refuses, and settings that it does not have.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise ValueError(f"torchvision:{name} needs the package torchvision: pip install torchvision")
    from torchvision.models import get_model_builder, list_models

    names = list_models()
    if name not in names:
        choose("model of torchvision", name, [other for other in names if not other.startswith(QUANTIZED)])
    if name.startswith(QUANTIZED):
        raise ValueError(f"torchvision:{name} is quantized, and has no gradients: name {name.removeprefix(QUANTIZED)}")
    settings.refuse(frozenset({"tokens", "config", "config_values"}), "models of torchvision")
    family = get_model_builder(name).__module__.removeprefix("torchvision.models.").partition(".")[0]
    return FAMILIES.get(family, classifier)(Request(name, settings, image_size))
