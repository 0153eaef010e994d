"""`python -m bench list`: the names that the other commands know."""

from bench.case import ENGINES
from bench.commands.outcome import OK
from bench.gpus import read_gpus
from bench.methods import METHODS
from bench.options import GpuFiles
from bench.simulation.semantics import PRECISIONS, PROFILES
from bench.workloads import WORKLOADS
from models.swin import SWIN_SIZES


def list_names(
    gpu_files: GpuFiles = [],
) -> int:
    """List methods, tasks, backbones, GPU classes, engines, profiles and precisions."""
    gpus = {
        gpu.name: gpu.label
        for path in (None, *gpu_files)
        for gpu in (read_gpus(path) if path else read_gpus()).values()
    }
    sections = {
        "methods": {method.name: method.label for method in METHODS.values()},
        "tasks": {workload.name: f"{workload.dataset}, {workload.detector}" for workload in WORKLOADS.values()},
        "backbones": dict.fromkeys(SWIN_SIZES, ""),
        "gpus": gpus,
        "engines": dict.fromkeys(ENGINES, ""),
        "profiles": dict.fromkeys(PROFILES, ""),
        "precisions": dict.fromkeys(PRECISIONS, ""),
    }
    for section, names in sections.items():
        print(section)
        for name, meaning in names.items():
            print(f"  {name:<20}{meaning}".rstrip())
    return OK
