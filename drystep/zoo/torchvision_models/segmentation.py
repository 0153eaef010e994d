"""The code of torchvision's segmentation models: cross entropy of all pixels."""

from typing import Any

from drystep.zoo.model_code import ModelCode
from drystep.zoo.torchvision_models.checkpointing import checkpointing_code
from drystep.zoo.torchvision_models.request import IMPORT, Request

AUXILIARY_WEIGHT = 0.5
"""Weight of the auxiliary head's loss in torchvision's `references/segmentation/train.py`."""


def segmenter(request: Request) -> ModelCode:
    """A model of images and a label for each pixel; FCN and DeepLabV3 have an auxiliary head, as their weights do."""
    request.refuse("objects", "frames", "fused_attention")
    side, classes = int(request.transform["resize_size"]), request.classes
    options: dict[str, Any] = {"weights_backbone": None, "num_classes": classes}
    auxiliary = not request.name.startswith("lraspp")
    if auxiliary:
        options["aux_loss"] = True
    example = request.build(options)
    loss = ["outputs = model(images)", 'loss = F.cross_entropy(outputs["out"], labels)']
    if auxiliary:
        loss.append(f'loss = loss + {AUXILIARY_WEIGHT} * F.cross_entropy(outputs["aux"], labels)')
    heads = tuple(name for name, _ in example.named_children() if name != "backbone")
    checkpointing = checkpointing_code(example, heads)
    return ModelCode(
        imports=("import torch.nn.functional as F", IMPORT),
        model=(request.line(options),),
        data=("images = torch.rand(batch_size, 3, *image_size, device=device)",),
        targets=(f"labels = torch.randint({classes}, (batch_size, *image_size), device=device)",),
        forward="model(images)",
        loss=tuple(loss),
        example=example,
        heads=heads,
        image_size=request.image_size or (side, side),
        checkpointing=checkpointing.lines,
        checkpointing_imports=checkpointing.imports,
        channels_last_inputs=("images",),
    )
