"""Settings of PyTorch's caching allocator in the environment, which no figure here follows."""

import os

ALLOCATOR_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""They change what the caching allocator reserves."""


def ignored_settings() -> list[str]:
    """A sentence for each variable that is set."""
    return [
        f"{name}={os.environ[name]} is ignored: the figures are those of PyTorch's allocator with its default settings"
        for name in ALLOCATOR_VARIABLES
        if os.environ.get(name)
    ]
