"""What is to be said before cases are measured: settings of the allocator, and rules that are not simulated."""

from collections.abc import Sequence

from bench.cases.case import Case
from drystep.alloc_conf import ALLOCATOR_VARIABLES, AllocatorSettings


def allocator_notes(cases: Sequence[Case]) -> list[str]:
    """One sentence for each thing to know. Raises `ValueError` for a setting that cannot be followed."""
    settings, engines = AllocatorSettings.from_environment(), {case.engine for case in cases}
    simulated = [case for case in cases if case.engine != "cuda"]
    notes = list(dict.fromkeys(note for case in simulated for note in case.rules.remarks()))
    if settings == AllocatorSettings():
        return notes
    if str(settings) and any(not case.alloc_conf for case in simulated):
        notes.append(f"simulated figures are those of PyTorch's allocator with {settings}, as the environment says")
    if "cuda" in engines:
        notes.append(f"engine cuda ignores {' and '.join(ALLOCATOR_VARIABLES)}: it measures the default allocator")
    return notes
