"""What is to be said of the allocator settings in the environment, which simulated figures follow."""

from collections.abc import Sequence

from bench.cases.case import Case
from drystep.alloc_conf import ALLOCATOR_VARIABLES, AllocatorSettings


def allocator_notes(cases: Sequence[Case]) -> list[str]:
    """One sentence for each thing to know. Raises `ValueError` for a setting that cannot be followed."""
    settings, engines = AllocatorSettings.from_environment(), {case.engine for case in cases}
    notes = [
        note for stated in {case.alloc_conf for case in cases} for note in AllocatorSettings.parse(stated).remarks()
    ]
    if settings == AllocatorSettings():
        return notes
    notes += settings.remarks()
    if str(settings) and any(case.engine != "cuda" and not case.alloc_conf for case in cases):
        notes.append(f"simulated figures are those of PyTorch's allocator with {settings}, as the environment says")
    if "cuda" in engines:
        notes.append(f"engine cuda ignores {' and '.join(ALLOCATOR_VARIABLES)}: it measures the default allocator")
    return notes
