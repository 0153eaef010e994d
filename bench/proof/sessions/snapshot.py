"""One case on the card with its allocator recorded, and the recording replayed through ours."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from bench.cases.case import Case
from bench.cases.training_step import prepare
from bench.engines.cuda_session import CUDA
from drystep.measure.counters import Peaks
from drystep.measure.kernels import pin_kernels
from drystep.memory.recorded import Recording, read_recording, replay_recording
from drystep.torch_private import memory_snapshot, record_memory
from drystep.trace.recorder import WARM_UP_STEPS

MOST_ENTRIES = 1_000_000
"""Of the recording; three steps of the largest case have about 100,000."""


class SnapshotSession:
    """One case, recorded from its first allocation on."""

    def __init__(self, case: Mapping[str, Any], note_phase: Callable[[str], None]) -> None:
        note_phase("build")
        pin_kernels()
        torch.cuda.init()
        record_memory(MOST_ENTRIES)
        self.note_phase = note_phase
        self.prepared = prepare(Case(**case), CUDA)

    def requests(self) -> dict[str, Any]:
        """Run the warm-up and one step; the figures of the allocator on the card and of ours, and all requests.

        Raises `ValueError` where the recording is not whole.
        """
        step = self.prepared.build_step(CUDA)
        self.note_phase("steps")
        for _ in range(WARM_UP_STEPS):
            step()
        torch.cuda.synchronize()
        since, before = len(_recording().requests), Peaks.read()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        last = Peaks.read()
        self.note_phase("replay")
        recording = _recording()
        replayed = replay_recording(recording, since)
        return {
            "requests": list(recording.requests),
            "figures": {
                "measured_allocated_bytes": last.peak_allocated_bytes,
                "measured_reserved_bytes": (before | last).peak_reserved_bytes,
                "replayed_allocated_bytes": replayed.peak_allocated_bytes,
                "replayed_reserved_bytes": replayed.peak_reserved_bytes,
                "recorded_reserved_bytes": replayed.recorded_reserved_bytes,
                "first_difference": replayed.first_difference,
                "request_count": len(recording.requests),
                "step_begins_at": since,
                "streams": recording.streams,
                "strange_frees": recording.strange_frees,
                "sizes": sorted(recording.sizes(since).items()),
            },
        }

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before the step ends."""
        return {}


def _recording() -> Recording:
    entries = memory_snapshot()["device_traces"][0]
    if len(entries) >= MOST_ENTRIES:
        raise ValueError(f"the step makes more than {MOST_ENTRIES} entries: the first of them are lost")
    return read_recording(entries)
