"""The code of timm's models: classification of images with cross entropy."""

from functools import partial
from typing import Any

import torch

from drystep.errors import choose
from drystep.zoo.model_code import ModelCode
from drystep.zoo.refusals import said
from drystep.zoo.settings import StepSettings

DEFAULT_CLASSES = 1000
"""Classes of ImageNet-1K, for models that come without a head."""
UNSUITED = frozenset({"objects", "tokens", "frames", "config", "config_values"})


def timm_model(name: str, settings: StepSettings, image_size: tuple[int, int] | None) -> ModelCode:
    """The code of a model that timm registers, for images of a size, or of its own.

    Raises `ValueError` for a name that timm does not know, an image size that the model refuses, and settings that it
    does not have.
    """
    import timm

    settings.refuse(UNSUITED, "models of timm")
    if not timm.is_model(name):
        choose("model of timm", name, timm.list_models())
    config = timm.get_pretrained_cfg(name)
    own = tuple(config.input_size[1:]) if config else (224, 224)
    classes = settings.classes or (config.num_classes if config else 0) or DEFAULT_CLASSES
    size = image_size or own
    create = partial(timm.create_model, name, num_classes=classes)
    example, takes_size = _example(name, create, size)
    arguments = f'"{name}", num_classes={classes}' + (", img_size=image_size" if takes_size else "")
    channels = int(example.pretrained_cfg["input_size"][0])
    create_line = f"model = timm.create_model({arguments})"
    explicit = ("timm.layers.set_fused_attn(False)", create_line, "timm.layers.set_fused_attn(True)")
    return ModelCode(
        imports=("import timm", "import torch.nn.functional as F"),
        model=explicit if settings.fused_attention == "off" else (create_line,),
        data=(f"images = torch.rand(batch_size, {channels}, *image_size, device=device)",),
        targets=(f"labels = torch.randint({classes}, (batch_size,), device=device)",),
        forward="model(images)",
        loss=("loss = F.cross_entropy(model(images), labels)",),
        example=example,
        heads=_heads(example),
        image_size=size,
        image_multiple=_stride(example),
        checkpointing=("model.set_grad_checkpointing()",) if _checkpoints(example) else (),
        channels_last_inputs=("images",),
    )


def _example(name: str, create: Any, size: tuple[int, int]) -> tuple[Any, bool]:
    """The model without data, and whether it is built for a size of images."""
    with torch.device("meta"):
        try:
            return create(img_size=size), True
        except TypeError:  # convolutional networks take images of any size
            return create(), False
        except Exception as error:
            raise ValueError(f"{name} refuses images of {size[0]} x {size[1]}: {said(error)}") from error


def _heads(model: Any) -> tuple[str, ...]:
    names = model.pretrained_cfg.get("classifier") or ()
    names = (names,) if isinstance(names, str) else names
    modules = dict(model.named_modules())
    return tuple(name for name in names if name in modules and any(True for _ in modules[name].parameters()))


def _stride(model: Any) -> int:
    """Pixels by which the model divides an image: the patch of a ViT, the deepest reduction of a pyramid."""
    reductions = [info["reduction"] for info in getattr(model, "feature_info", ()) if "reduction" in info]
    return int(max(reductions, default=32))


def _checkpoints(model: Any) -> bool:
    try:
        model.set_grad_checkpointing(False)
    except (AttributeError, AssertionError, NotImplementedError):
        return False
    return True
