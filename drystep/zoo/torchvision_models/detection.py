"""The code of torchvision's detectors: their own losses, of images with boxes, masks or key points."""

from typing import Any

from drystep.zoo.model_code import ModelCode
from drystep.zoo.torchvision_models.checkpointing import checkpointing_code
from drystep.zoo.torchvision_models.request import IMPORT, Request

DEFAULT_OBJECTS = 10
KEYPOINTS = 17
"""Key points of a person in COCO."""
FIXED_SIZE = ("ssd",)
"""Beginnings of the names of detectors that resize all images to one size."""
FROM_SCRATCH = (
    "Without weights, torchvision trains the whole backbone of a detector and its batch norms. With weights it trains "
    "the last stages alone and freezes the batch norms, which takes less memory."
)


def detector(request: Request) -> ModelCode:
    """A model of lists of images and of targets.

    Images of `image_size` go through the network as they are: the model's own transform is told this size. SSD resizes
    all images to its own. Boxes have a quarter of an image's height and width, and stand along its diagonal. The
    background is one of the classes, as torchvision counts them.
    """
    request.refuse("frames", "fused_attention")
    classes = request.classes
    if classes < 2:
        raise ValueError("a detector of torchvision counts the background as a class: --classes must be at least 2")
    fixed = request.name.startswith(FIXED_SIZE)
    options: dict[str, Any] = {"weights_backbone": None, "num_classes": classes}
    transform = request.build(options).transform
    if fixed:
        size = (int(transform.fixed_size[0]), int(transform.fixed_size[1]))
        request.refuse_image_size(size, f"resizes all images to {size[0]} x {size[1]}")
        written = {}
    else:
        size = request.image_size or (int(max(transform.min_size)), int(transform.max_size))
        options |= {"min_size": min(size), "max_size": max(size)}
        written = {"min_size": "min(image_size)", "max_size": "max(image_size)"}
    example = request.build(options)
    parts = [name for name, child in example.named_children() if any(True for _ in child.parameters())]
    heads = tuple(name for name in parts if name != "backbone")
    checkpointing = checkpointing_code(example, heads)
    return ModelCode(
        imports=(IMPORT,),
        model=(request.line({**options, **written}),),
        data=(
            f"height, width = {size if fixed else 'image_size'}",
            "images = [torch.rand(3, height, width, device=device) for _ in range(batch_size)]",
        ),
        targets=_targets(example, request.settings.objects or DEFAULT_OBJECTS),
        forward="model(images)",
        loss=("loss = sum(model(images, targets).values())",),
        example=example,
        heads=heads,
        batch_size=2,
        image_size=None if fixed else size,
        checkpointing=checkpointing.lines,
        checkpointing_imports=checkpointing.imports,
        remarks=(FROM_SCRATCH,),
    )


def _targets(model: Any, objects: int) -> tuple[str, ...]:
    """Lines that make one target, which is that of each image."""
    heads = getattr(model, "roi_heads", None)
    lines = [
        f"left = torch.linspace(0, 3 * width / 4, {objects}, device=device)",
        f"top = torch.linspace(0, 3 * height / 4, {objects}, device=device)",
        "boxes = torch.stack([left, top, left + width / 4, top + height / 4], dim=1)",
        f'target = {{"boxes": boxes, "labels": torch.ones({objects}, dtype=torch.int64, device=device)}}',
    ]
    if heads is not None and heads.has_mask():
        lines.append(f'target["masks"] = torch.ones({objects}, height, width, dtype=torch.uint8, device=device)')
    if heads is not None and heads.has_keypoint():
        lines += [
            "points = torch.stack([left + width / 8, top + height / 8, torch.ones_like(left)], dim=1)",
            f'target["keypoints"] = points[:, None].repeat(1, {KEYPOINTS}, 1)',
        ]
    copies = "{name: value.clone() for name, value in target.items()}"
    return (*lines, f"targets = [{copies} for _ in range(batch_size)]")
