"""The cuda engine: a case on a real GPU."""

import torch


def require_device() -> None:
    """Raise `ValueError` unless there is a CUDA device that this engine can measure on."""
    if not torch.cuda.is_available():
        raise ValueError("no CUDA device: choose --engine simulate (any size, no GPU needed) or --engine cpu")
    raise ValueError("the cuda engine does not measure yet: choose --engine simulate or --engine cpu")
