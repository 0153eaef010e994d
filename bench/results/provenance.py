"""Where a result comes from: versions, device, and the state of this code."""

import functools
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.results.code_version import code_hash
from drystep import __version__
from drystep.alloc_conf import AllocatorSettings

PACKAGES = ("torch", "torchvision", "timm")
"""Their versions can change a figure."""
DEFAULT_ALLOCATOR = "default"
"""What a result says of an allocator that was not configured."""
CHECKOUT = Path(__file__).resolve().parents[2]
"""The checkout that the suite runs from. Its children import the suite from here."""


def describe_environment(engine: str, device: str, driver: str | None = None) -> dict[str, Any]:
    """The `environment` of a result line; None for what cannot be known here."""
    return {
        "drystep": __version__,
        "python": platform.python_version(),
        **installed_versions(),
        "device": device,
        "driver": driver,
        **({} if engine == "cuda" else {"allocator": describe_allocator()}),
        "code_hash": code_hash(engine),
        **describe_commit(),
    }


def describe_allocator() -> str:
    """The settings of PyTorch's allocator in simulated figures; of measured ones, `kernels` says what was in force."""
    try:
        return str(AllocatorSettings.from_environment()) or DEFAULT_ALLOCATOR
    except ValueError as error:  # of a case that failed for it
        return str(error)


@functools.cache
def installed_versions() -> dict[str, str]:
    """Version of each of `PACKAGES`."""
    return {package: version(package) for package in PACKAGES}


def describe_commit() -> dict[str, Any]:
    """Commit of this checkout, and whether it has uncommitted changes; None where git does not know.

    A checkout that lies in another repository, without one of its own, has no commit: that repository's is not ours.
    """
    commit = _git("rev-parse", "HEAD") if _git("rev-parse", "--show-prefix") == "" else None
    return {"git_commit": commit, "git_dirty": None if commit is None else bool(_git("status", "--porcelain"))}


def describe_cpu() -> str:
    """Model and the number of threads that PyTorch uses."""
    import torch  # only here: who reads stored results needs none

    return f"{_cpu_model()}, {torch.get_num_threads()} threads"


@functools.cache
def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def _git(*arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", "-C", os.fspath(CHECKOUT), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
