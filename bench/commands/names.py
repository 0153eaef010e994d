"""`python -m bench list`: the names that the other commands know."""

from bench.cases.case import ENGINES
from bench.cases.methods import METHODS
from bench.cases.tasks import WORKLOADS
from drystep.commands.exit_status import OK
from drystep.commands.step_options import GpuFiles
from drystep.cuda.rules import PRECISIONS, PROFILES
from drystep.gpus.classes import select_gpus
from drystep.gpus.names import ALL
from drystep.visible_text import one_line
from e3va.backbones.sizes import SWIN_SIZES


def list_names(
    gpu_files: GpuFiles = [],
) -> int:
    """List methods, tasks, backbones, GPU classes, engines, profiles and precisions."""
    sections = {
        "methods": {method.name: method.label for method in METHODS.values()},
        "tasks": {workload.name: f"{workload.dataset}, {workload.detector}" for workload in WORKLOADS.values()},
        "backbones": dict.fromkeys(SWIN_SIZES, ""),
        "gpus": {gpu.name: gpu.label for gpu in select_gpus([ALL], gpu_files)},
        "engines": dict.fromkeys(ENGINES, ""),
        "profiles": dict.fromkeys(PROFILES, ""),
        "precisions": dict.fromkeys(PRECISIONS, ""),
    }
    width = max(len(name) for names in sections.values() for name in names) + 2
    for section, names in sections.items():
        print(section)
        for name, meaning in names.items():
            print(f"  {one_line(name):<{width}}{one_line(meaning)}".rstrip())
    return OK
