"""The code of torchvision's models of video: classification of clips with cross entropy."""

from drystep.zoo.model_code import ModelCode
from drystep.zoo.torchvision_models.checkpointing import checkpointing_code
from drystep.zoo.torchvision_models.request import IMPORT, Request, last_layer, window_attention

FRAMES = {"s3d": 128, "swin3d": 32, "mvit": 16, "r3d": 16, "mc3": 16, "r2plus1d": 16}
"""Beginning of a name -> frames of the clips that torchvision states the accuracy of its weights for."""


def video_model(request: Request) -> ModelCode:
    """A model of clips (batch, 3, frames, height, width). An MViT takes clips of one size alone."""
    request.refuse("objects", "fused_attention")
    own_frames = FRAMES[request.name.partition("_")[0]]
    frames, classes = request.settings.frames or own_frames, request.classes
    height, width = request.transform["crop_size"]
    fixed = request.name.startswith("mvit")
    if fixed:
        request.refuse_image_size((height, width), f"takes clips of {height} x {width} pixels alone")
        if frames != own_frames:
            raise ValueError(f"torchvision:{request.name} takes clips of {own_frames} frames, not {frames}")
    options = {"num_classes": classes}
    example = request.build(options)
    heads = (last_layer(example),)
    checkpointing = checkpointing_code(example, heads)
    sides = f"{height}, {width}" if fixed else "*image_size"
    return ModelCode(
        imports=("import torch.nn.functional as F", IMPORT),
        model=(request.line(options),),
        data=(f"clips = torch.rand(batch_size, 3, {frames}, {sides}, device=device)",),
        targets=(f"labels = torch.randint({classes}, (batch_size,), device=device)",),
        forward="model(clips)",
        loss=("loss = F.cross_entropy(model(clips), labels)",),
        example=example,
        heads=heads,
        uncalled=window_attention(example),
        image_size=None if fixed else request.image_size or (height, width),
        checkpointing=checkpointing.lines,
        checkpointing_imports=checkpointing.imports,
    )
