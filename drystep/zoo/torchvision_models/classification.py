"""The code of torchvision's classifiers of images: cross entropy, with that of auxiliary classifiers."""

from typing import Any

from drystep.zoo.model_code import ModelCode
from drystep.zoo.torchvision_models.checkpointing import checkpointing_code
from drystep.zoo.torchvision_models.request import IMPORT, Request, last_layer, window_attention

AUXILIARY = {
    "googlenet": (0.3, {"aux_logits1": "aux1", "aux_logits2": "aux2"}),
    "inception_v3": (0.4, {"aux_logits": "AuxLogits"}),
}
"""Model -> weight of its auxiliary losses, and output -> module of each auxiliary classifier.

GoogLeNet's weight is that of its paper (section 5), Inception's that of PyTorch's tutorial on fine-tuning.
"""
CONV_STRIDE = 32
"""Pixels by which torchvision's convolutional networks and its Swin divide an image."""


def classifier(request: Request) -> ModelCode:
    """A model of images and labels.

    A ViT is built for square images of their size, and a MaxViT for their size; others take any size.
    """
    request.refuse("objects", "frames")
    classes, name = request.classes, request.name
    crop = int(request.transform["crop_size"])
    size = request.image_size or (crop, crop)
    options: dict[str, Any] = {"num_classes": classes}
    written: dict[str, str] = {}
    if name in AUXILIARY:
        options["init_weights"] = False
    elif name.startswith("vit_"):
        if size[0] != size[1]:
            raise ValueError(f"torchvision:{name} takes square images, not {size[0]} x {size[1]}")
        options["image_size"], written["image_size"] = size[0], "image_size[0]"
    elif name.startswith("maxvit"):
        options["input_size"], written["input_size"] = size, "image_size"
    example = request.build(options)
    weight, outputs = AUXILIARY.get(name, (0.0, {}))
    heads = (last_layer(example), *outputs.values())
    checkpointing = checkpointing_code(example, heads)
    context, context_import = _attention(request)
    return ModelCode(
        imports=("import torch.nn.functional as F", IMPORT, *context_import),
        model=(request.line({**options, **written}),),
        data=("images = torch.rand(batch_size, 3, *image_size, device=device)",),
        targets=(f"labels = torch.randint({classes}, (batch_size,), device=device)",),
        forward="model(images)",
        loss=_loss(weight, list(outputs)),
        context=context,
        example=example,
        heads=heads,
        uncalled=window_attention(example),
        image_size=size,
        image_multiple=_multiple(example),
        checkpointing=checkpointing.lines,
        checkpointing_imports=checkpointing.imports,
        channels_last_inputs=("images",),
    )


def _loss(weight: float, outputs: list[str]) -> tuple[str, ...]:
    if not outputs:
        return ("loss = F.cross_entropy(model(images), labels)",)
    lines = ["outputs = model(images)", "loss = F.cross_entropy(outputs.logits, labels)"]
    lines += [f"loss = loss + {weight} * F.cross_entropy(outputs.{output}, labels)" for output in outputs]
    return tuple(lines)


def _attention(request: Request) -> tuple[str, tuple[str, ...]]:
    """The context manager that turns fused attention off where that is asked for, and its import."""
    if request.settings.fused_attention == "auto":
        return "", ()
    if not request.name.startswith("vit_"):
        raise ValueError(f"--fused-attention does not apply to torchvision:{request.name}: it has no fused attention")
    return "sdpa_kernel(SDPBackend.MATH)", ("from torch.nn.attention import SDPBackend, sdpa_kernel",)


def _multiple(model: Any) -> int:
    """Pixels that heights and widths are multiples of: the patch of a ViT, the windows of a MaxViT."""
    if hasattr(model, "patch_size"):
        return int(model.patch_size)
    if hasattr(model, "partition_size"):
        return int(CONV_STRIDE * model.partition_size)
    return CONV_STRIDE
