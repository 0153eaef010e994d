"""Which kernels a GPU runs: pinned, so that two runs measure the same, and recorded with every result."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from drystep.alloc_conf import ALLOCATOR_VARIABLES

LIBRARY_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUBLASLT_WORKSPACE_SIZE",
    "NVIDIA_TF32_OVERRIDE",
    "CUDA_MODULE_LOADING",
)
"""They change workspaces, arithmetic or the context; whatever they say is recorded."""

UNPINNED: dict[str, str | None] = dict.fromkeys(ALLOCATOR_VARIABLES)
"""Variables that a measuring process starts without: it has PyTorch's default allocator."""


def pin_kernels() -> None:
    """fp32 means fp32 (no TF32, as on cards before Ampere), and no kernel is chosen by trial."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = False
    # cuDNN's attention is a choice of newer cards alone.
    torch.backends.cuda.enable_cudnn_sdp(False)


@contextmanager
def without_tf32() -> Iterator[None]:
    """Set convolutions in float32 as `pin_kernels` does until the context ends, for simulations of measured steps."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def describe_kernels(fused_attention: bool) -> dict[str, Any]:
    """The `kernels` of a result's environment, as they are."""
    return {
        "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "attention": f"fused ({', '.join(_fused_kernels())})" if fused_attention else "explicit",
        "allocator": {name: os.environ.get(name, "") for name in ALLOCATOR_VARIABLES},
        "libraries": {name: os.environ[name] for name in LIBRARY_VARIABLES if name in os.environ},
    }


def _fused_kernels() -> list[str]:
    cuda = torch.backends.cuda
    enabled = {
        "flash": cuda.flash_sdp_enabled(),
        "memory-efficient": cuda.mem_efficient_sdp_enabled(),
        "cudnn": cuda.cudnn_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
    }
    return [name for name, on in enabled.items() if on]
