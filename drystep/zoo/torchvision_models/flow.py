"""The code of torchvision's models of optical flow: the sequence loss of RAFT."""

from drystep.zoo.model_code import ModelCode
from drystep.zoo.torchvision_models.request import IMPORT, Request

DEFAULT_SIZE = (368, 768)
"""Crops of Sintel, which RAFT's paper trains on (section 4), and torchvision's references, too."""
DECAY = 0.8
"""Weight of a step's flow relative to the next one's (Teed and Deng, ECCV 2020, equation 7)."""
STRIDE = 8
"""Pixels by which RAFT divides an image."""


def flow_model(request: Request) -> ModelCode:
    """A model of pairs of images, which returns a flow for each of its updates."""
    request.refuse("classes", "objects", "frames", "fused_attention")
    size = request.image_size or DEFAULT_SIZE
    if size[0] % STRIDE or size[1] % STRIDE:
        raise ValueError(f"torchvision:{request.name} takes images of multiples of {STRIDE} pixels, not {size}")
    return ModelCode(
        imports=(IMPORT,),
        model=(request.line({}),),
        data=(
            "first = torch.rand(batch_size, 3, *image_size, device=device)",
            "second = torch.rand(batch_size, 3, *image_size, device=device)",
        ),
        targets=("flow = torch.rand(batch_size, 2, *image_size, device=device)",),
        forward="model(first, second)",
        loss=(
            "flows = model(first, second)",
            f"weights = [{DECAY}**power for power in reversed(range(len(flows)))]",
            "loss = sum(weight * (guess - flow).abs().mean() for weight, guess in zip(weights, flows))",
        ),
        example=request.build({}),
        image_size=size,
        image_multiple=STRIDE,
        channels_last_inputs=("first", "second"),
    )
