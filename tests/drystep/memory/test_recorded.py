"""Recordings of an allocator, replayed: ours recorded by itself, and one by hand that another allocator made."""

import gzip
import json
from pathlib import Path

import pytest

from drystep import simulate
from drystep.memory.allocator import CachingAllocator
from drystep.memory.recorded import Recording, read_recording, replay_recording
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
    workspaces = [each.workspace for each in simulation.trace.allocations]
    requested = [each is None or each.is_requested(False, "") for each in workspaces]
    assert sum(recording.sizes().values()) == sum(requested)


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


def test_the_order_of_addresses_decides_which_of_two_equal_blocks_is_taken() -> None:
    """Two free segments of 16 MiB serve 15 MiB equally well: the one at the lower address is taken."""
    sizes = [15 * MIB, 15 * MIB]
    requests = [*sizes, -1, -2, 15 * MIB, 15 * MIB]
    taken = {}
    for order in ("ascending", "descending"):
        allocator = CachingAllocator(order=order)
        blocks = [allocator.malloc(size) for size in sizes]
        for block in blocks:
            allocator.free(block)
        taken[order] = blocks.index(allocator.malloc(15 * MIB))
        recording = Recording(requests, [0] * len(requests), 1, 0, order)
        assert replay_recording(recording).peak_reserved_bytes == 32 * MIB
    assert taken == {"ascending": 0, "descending": 1}


@pytest.mark.parametrize(("addresses", "order"), [((64, 32, 40, 0), "descending"), ((0, 32, 16, 64), "ascending")])
def test_the_order_is_that_of_most_large_segments(addresses: tuple[int, ...], order: str) -> None:
    entries = [
        entry
        for number, address in enumerate(addresses)
        for entry in _entries(
            ("segment_alloc", address * MIB, 20 * MIB), ("segment_alloc", (1000 + number) * MIB, 2 * MIB)
        )
    ]
    assert read_recording(entries).order == order


CARD = Path(__file__).parents[3] / "reports" / "measured" / "nvidia-h200"


def _recorded(method: str) -> tuple[list[int], dict[str, int]]:
    """All requests of a case that an NVIDIA H200 recorded, and the figures of its own allocator."""
    item = f"snapshot voc swin_large {method} 2x608x1024 cuda"
    with gzip.open(CARD / "requests.jsonl.gz", "rt") as file:
        requests = next(row["requests"] for row in map(json.loads, file) if row["item"] == item)
    with (CARD / "items.jsonl").open() as file:
        return requests, next(row["figures"] for row in map(json.loads, file) if row["item"] == item)


@pytest.mark.parametrize(
    ("method", "off_by"), [("full", 0), ("e3va-reference", 0), ("lora", 0), ("e3va", 384 << 10)]
)  # fmt: skip
def test_requests_of_a_real_card_take_the_segments_that_it_took(method: str, off_by: int) -> None:
    """Its driver gave each segment a lower address than the one before. One allocated peak is 384 KiB too high."""
    requests, figures = _recorded(method)
    recording = Recording(requests, [0] * len(requests), 1, 0, "descending")
    replayed = replay_recording(recording, figures["step_begins_at"])
    assert replayed.peak_reserved_bytes == figures["recorded_reserved_bytes"] == figures["measured_reserved_bytes"]
    assert replayed.peak_allocated_bytes == figures["measured_allocated_bytes"] + off_by


def test_ascending_addresses_would_take_other_segments() -> None:
    requests, figures = _recorded("lora")
    replayed = replay_recording(Recording(requests, [0] * len(requests), 1, 0), figures["step_begins_at"])
    assert replayed.peak_reserved_bytes == figures["recorded_reserved_bytes"] - 114 * MIB
