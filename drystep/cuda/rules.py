"""Names of the rules by which PyTorch allocates: profiles of its versions, and precisions. Does not import torch."""

from dataclasses import dataclass

PRECISIONS = ("fp32", "amp-fp16", "amp-bf16", "apex-o1")
"""Single precision; `torch.autocast` in float16 and in bfloat16; NVIDIA Apex's level O1."""
DEFAULT_PROFILE, DEFAULT_PRECISION = "torch-2.11", "fp32"


@dataclass(frozen=True)
class Profile:
    """Rules of PyTorch, and of the training loop around it, that changed over the years."""

    softmax_keeps_input: bool
    """Softmax and log-softmax keep their input for backward as well as their output."""
    zeroed_gradients: bool
    """`zero_grad()` writes zeros instead of dropping the gradients."""
    gradient_buckets: bool
    """The model is wrapped in DistributedDataParallel."""
    foreach_optimizers: bool
    """Optimizers take all parameters at once, with temporaries as large as all of them."""
    shares_cublas: bool
    """cuBLAS takes its workspace from PyTorch's allocator (since 1.13, pull request 83461), not from the driver."""


PROFILES = {
    "torch-2.11": Profile(
        softmax_keeps_input=False,
        zeroed_gradients=False,
        gradient_buckets=False,
        foreach_optimizers=True,
        shares_cublas=True,
    ),
    "mm-2021": Profile(
        softmax_keeps_input=True,
        zeroed_gradients=True,
        gradient_buckets=True,
        foreach_optimizers=False,
        shares_cublas=False,
    ),
}
"""torch-2.11: current PyTorch on one GPU. mm-2021: the setting of papers of 2020-2023 that measured with mmdetection
and mmsegmentation, on PyTorch 1.x and DistributedDataParallel."""
