"""Recordings of an allocator, replayed: ours recorded by itself, and one by hand that another allocator made."""

import pytest

from drystep import simulate
from drystep.memory.recorded import read_recording, replay_recording
from drystep.memory.snapshot import snapshot
from tests.drystep.memory.mlp_step import build_mlp

MIB = 1 << 20


def _entries(*actions: tuple[str, int, int]) -> list[dict]:
    return [{"action": action, "addr": address, "size": size, "stream": 0} for action, address, size in actions]


def test_our_own_snapshot_replays_to_the_same_peaks() -> None:
    simulation = simulate(build_mlp)
    recording = read_recording(snapshot(simulation.trace)["device_traces"][0])
    since = next(
        position for position, (index, born, _) in enumerate(simulation.trace.events)
        if position >= simulation.trace.iteration_starts[-1]
    )  # fmt: skip
    replayed = replay_recording(recording, since)
    assert replayed.peak_allocated_bytes == simulation.peak_allocated_bytes
    assert replayed.peak_reserved_bytes == replayed.recorded_reserved_bytes == simulation.peak_reserved_bytes
    assert replayed.first_difference is None
    assert (recording.streams, recording.strange_frees) == (1, 0)
    assert sum(recording.sizes().values()) == len(simulation.trace.allocations)


def test_the_first_request_that_differs_is_named() -> None:
    """3 MiB come from a segment of 20 MiB; an allocator that asks the driver for 4 MiB is another one."""
    entries = _entries(
        ("segment_alloc", 0, 20 * MIB), ("alloc", 0, 3 * MIB), ("free_requested", 0, 3 * MIB),
        ("free_completed", 0, 3 * MIB), ("segment_alloc", 9, 4 * MIB), ("alloc", 9, 3 * MIB), ("alloc", 5, 100),
    )  # fmt: skip
    recording = read_recording(entries)
    assert recording.requests == [3 * MIB, -1, 3 * MIB, 100]
    assert recording.reserved_bytes == [20 * MIB, 20 * MIB, 24 * MIB, 24 * MIB]
    replayed = replay_recording(recording, since=3)
    assert replayed.first_difference == 2
    assert replayed.peak_allocated_bytes == 3 * MIB + 512
    assert (replayed.peak_reserved_bytes, replayed.recorded_reserved_bytes) == (22 * MIB, 24 * MIB)
    assert recording.sizes(since=2) == {3 * MIB: 1, 100: 1}


def test_the_allocated_peak_is_that_from_a_request_on() -> None:
    actions = [("alloc", 0, 30 * MIB), ("free_completed", 0, 30 * MIB), ("alloc", 1, 2 * MIB), ("alloc", 2, MIB)]
    recording = read_recording(_entries(*actions))
    assert replay_recording(recording, since=2).peak_allocated_bytes == 3 * MIB
    assert replay_recording(recording).peak_allocated_bytes == 30 * MIB


@pytest.mark.parametrize("action", ["free_completed", "snapshot", "oom"])
def test_what_no_request_is_left_out(action: str) -> None:
    entries = [*_entries((action, 7, 512)), {**_entries(("alloc", 1, 512))[0], "stream": 3}]
    recording = read_recording(entries)
    assert recording.requests == [512]
    assert recording.strange_frees == (action == "free_completed")
    assert read_recording([*entries, *_entries(("alloc", 2, 5))]).streams == 2
    assert replay_recording(read_recording([])).peak_reserved_bytes == 0
