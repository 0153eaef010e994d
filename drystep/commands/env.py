"""`drystep env`: what a bug report needs to say about the machine."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from drystep import __version__
from drystep.commands.exit_status import OK
from drystep.visible_text import one_line

PACKAGES = ("torch", "torchvision", "timm", "transformers", "peft", "numpy", "typer", "rich", "nvidia-ml-py")
VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG")
"""They change what a GPU allocates."""


def env(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> int:
    """Print versions, GPUs and driver, for a bug report. No user, host or folder name is part of it."""
    facts = describe_machine()
    if as_json:
        import json

        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name}: {one_line(value)}")
    return OK


def describe_machine() -> dict[str, str]:
    """Name -> value, "none" where there is nothing."""
    return {
        "drystep": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{package: _version(package) for package in PACKAGES},
        **_cuda(),
        **{name: os.environ.get(name) or "none" for name in VARIABLES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _cuda() -> dict[str, str]:
    import torch

    from drystep.measure import nvml

    cards = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            cards.append(f"{properties.name}, {properties.total_memory} bytes, capability {_capability(properties)}")
    return {
        "cuda of PyTorch": torch.version.cuda or "none",
        "gpus": "; ".join(cards) or "none",
        "driver": nvml.driver_version() or "none",
    }


def _capability(properties: object) -> str:
    return f"{getattr(properties, 'major', '?')}.{getattr(properties, 'minor', '?')}"
