"""The rules by which PyTorch allocates: its version, the wrapper, the allocator, the card. Does not import torch.

What changed between versions is a property of `Rules` each, with the version at which it changed and the source.
"""

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from drystep.alloc_conf import AllocatorSettings
from drystep.bounds import shown
from drystep.errors import choose
from drystep.gpus.classes import Gpu, select_gpu

PRECISIONS = ("fp32", "amp-fp16", "amp-bf16", "apex-o1")
"""Single precision; `torch.autocast` in float16 and in bfloat16; NVIDIA Apex's level O1."""
DEFAULT_PROFILE, DEFAULT_PRECISION = "torch-2.11", "fp32"
VERSIONS = tuple(
    f"{major}.{minor}" for major, minors in ((1, range(7, 14)), (2, range(15))) for minor in minors
)  # fmt: skip
"""Versions of PyTorch whose rules are known."""
LARGE_CUBLAS_WORKSPACES = {(2, 14): ("9", "10", "11", "12"), (2, 12): ("9", "10", "12"), (2, 0): ("9",)}
"""Version from which on -> major compute capabilities whose cuBLAS workspaces have 32 MiB. The newest comes first."""
CUBLAS_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
"""Sizes of the workspaces of cuBLAS, for PyTorch from 1.13 on."""


@dataclass(frozen=True)
class Rules:
    """Under which rules a step is simulated. Raises `ValueError` for a setting that is unknown, naming the choices."""

    torch: str = "2.11"
    """Version of PyTorch, as "1.12"."""
    ddp: bool = False
    """Whether DistributedDataParallel wraps the model; one process is looked at."""
    cudnn_benchmark: bool = False
    """Whether cuDNN chooses its algorithms by trial (`torch.backends.cudnn.benchmark`). Then peaks are intervals, from
    no workspace to the largest of any algorithm that fits; single figures are the lower ends, and `remarks` says so."""
    allocator: str = ""
    """Settings of the caching allocator, as in `PYTORCH_CUDA_ALLOC_CONF`; "" for those of the environment."""
    card: Gpu | str | None = None
    """The GPU class whose architecture decides, or its name; None for what most cards have in common."""

    def __post_init__(self) -> None:
        if type(self.torch) is not str:
            raise ValueError(f"the version of PyTorch must be a text, such as '2.11', got {shown(self.torch)}")
        choose("version of PyTorch", self.torch, VERSIONS)
        for name in ("ddp", "cudnn_benchmark"):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name} must be True or False, got {shown(getattr(self, name))}")
        if type(self.allocator) is not str:
            raise ValueError(f"allocator must be a text as in PYTORCH_CUDA_ALLOC_CONF, got {shown(self.allocator)}")
        AllocatorSettings.parse(self.allocator)
        if self.card is not None and not isinstance(self.card, Gpu):
            object.__setattr__(self, "card", select_gpu(self.card))

    @property
    def version(self) -> tuple[int, int]:
        """The version as numbers, which compare."""
        major, minor = self.torch.split(".")
        return int(major), int(minor)

    @property
    def softmax_keeps_input(self) -> bool:
        """Softmax and log-softmax keep their input for backward as well as their output.

        Up to 1.10: read off the wheels (`_saved_self` of their autograd nodes), `tools/autograd/derivatives.yaml`.
        """
        return self.version < (1, 11)

    @property
    def relu_keeps_input(self) -> bool:
        """ReLU that is not in place keeps its input, instead of its output that the next operator keeps anyway.

        Up to 1.9: read off the wheels (`ReluBackward0._saved_self`), `tools/autograd/derivatives.yaml`.
        """
        return self.version < (1, 10)

    @property
    def zeroed_gradients(self) -> bool:
        """`zero_grad()` of optimizers and modules writes zeros instead of dropping the gradients.

        Before 2.0: read off the wheels (the default of `set_to_none`).
        """
        return self.version < (2, 0)

    @property
    def foreach_optimizers(self) -> bool:
        """Optimizers take all parameters at once, with temporaries as large as all of them.

        The default on CUDA from 2.0 (release notes of 2.0, `_default_to_fused_or_foreach` in `torch/optim`).
        """
        return self.version >= (2, 0)

    @property
    def writes_attention(self) -> bool:
        """Attention of `nn.MultiheadAttention` and its kind is computed explicitly, weights and all.

        Before 2.0, in which `F.scaled_dot_product_attention` appeared (release notes of 2.0).
        """
        return self.version < (2, 0)

    @property
    def cublas_workspace_bytes(self) -> int:
        """What each cuBLAS handle takes from PyTorch's allocator; 0 where it takes it from the driver.

        From 1.13 (pull request 83461) `:4096:2:16:8`, 8.125 MiB. 32 MiB on Hopper from 2.0 (pull request 91564), on
        Blackwell from 2.12 (pull request 175344) and on all from Hopper to compute capability 12 in 2.14: read off the
        wheels of 2.11.0, 2.12.1 and 2.14.1 (`parseChosenWorkspaceSize` in `aten/src/ATen/cuda/CublasHandlePool.cpp`).
        """
        if self.version < (1, 13):
            return 0
        large = next((majors for since, majors in LARGE_CUBLAS_WORKSPACES.items() if self.version >= since), ())
        if self.architecture.partition(".")[0] in large:
            return 4096 * 8 << 10
        return (2 * 4096 + 8 * 16) << 10

    @property
    def cudnn_heuristics_v7(self) -> bool:
        """Convolution algorithms are chosen by the heuristics of cuDNN's API before its version 8.

        Before 2.0 (pull request 91117; those of November 2022, such as 87669, were reverted before 1.13).
        """
        return self.version < (2, 0)

    @property
    def cudnn_9(self) -> bool:
        """PyTorch's wheels bring version 9 of cuDNN: from 2.4 on (release notes of 2.4)."""
        return self.version >= (2, 4)

    @property
    def layer_norm_loses_bias_gradient(self) -> bool:
        """The backward pass of a layer norm of many rows fails where its bias trains and its weight does not.

        Measured with 2.11. The kernel is older, and of later versions it is not known which one is the first that is
        mended.
        """
        return self.version == (2, 11)

    @property
    def loads_kernels_eagerly(self) -> bool:
        """CUDA loads all kernels of a library at once, so that its context takes more of the card.

        Before 1.13, which sets `CUDA_MODULE_LOADING` to "LAZY" (pull request 86509; CUDA can from 11.7 on).
        """
        return self.version < (1, 13)

    def usable_bytes(self, gpu: Gpu) -> int:
        """What PyTorch's allocator can reserve on a card: its memory less the CUDA context of such a version."""
        return gpu.usable_with_eager_kernels_bytes if self.loads_kernels_eagerly else gpu.usable_bytes

    @property
    def architecture(self) -> str:
        """Compute capability of the card, as "7.0"; "" where the card is not named or its capability is not known."""
        return self.card.compute_capability if isinstance(self.card, Gpu) else ""

    @property
    def allocator_settings(self) -> AllocatorSettings:
        """Those that are stated, else those of the environment. Raises `ValueError` for a bad variable."""
        return AllocatorSettings.parse(self.allocator) if self.allocator else AllocatorSettings.from_environment()

    def remarks(self) -> list[str]:
        """A sentence for each setting that was accepted although a simulation does not show all that it does."""
        remarks = self.allocator_settings.remarks()
        if self.cudnn_benchmark:
            remarks.append(
                "cudnn.benchmark tries algorithms whose workspaces may take several times what the step itself takes: "
                "peaks lie between the simulated ones and the upper ends of their intervals"
            )
        if self.cublas_workspace_bytes and os.environ.get(CUBLAS_VARIABLE):
            remarks.append(f"cuBLAS's workspaces have their default size here, whatever {CUBLAS_VARIABLE} says")
        return remarks

    def as_dict(self) -> dict[str, Any]:
        """The settings as they stand in results."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "card": self.card.name if isinstance(self.card, Gpu) else None}

    @property
    def title(self) -> str:
        """The settings in a few words."""
        words = [f"PyTorch {self.torch}"]
        words += ["DistributedDataParallel"] if self.ddp else []
        words += ["cudnn.benchmark"] if self.cudnn_benchmark else []
        words += [self.allocator] if self.allocator else []
        words += [f"on {self.card.name}"] if isinstance(self.card, Gpu) else []
        return ", ".join(words)


PROFILES = {DEFAULT_PROFILE: Rules(), "mm-2021": Rules(torch="1.8", ddp=True)}
"""torch-2.11: current PyTorch on one GPU. mm-2021: the setting of papers of 2020-2023 that measured with mmdetection
and mmsegmentation, on PyTorch 1.x and DistributedDataParallel."""


def rules_of(rules: "Rules | str") -> Rules:
    """Rules as they are, or those of a preset. Raises `ValueError` for an unknown name."""
    return rules if isinstance(rules, Rules) else PROFILES[choose("profile", rules, PROFILES)]


def combined(
    profile: str,
    torch: str | None = None,
    ddp: bool | None = None,
    cudnn_benchmark: bool | None = None,
    allocator: str | None = None,
    card: Gpu | str | None = None,
) -> Rules:
    """A preset with some of its settings replaced; None leaves one as it is."""
    stated: dict[str, Any] = {
        "torch": torch, "ddp": ddp, "cudnn_benchmark": cudnn_benchmark, "allocator": allocator, "card": card,
    }  # fmt: skip
    return replace(rules_of(profile), **{name: value for name, value in stated.items() if value is not None})
