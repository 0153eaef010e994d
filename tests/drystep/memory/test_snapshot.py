import pickle
import pickletools
from pathlib import Path

import pytest
from torch.cuda import _memory_viz

from drystep import simulate
from drystep.alloc_conf import AllocatorSettings
from drystep.memory.snapshot import BASE_ADDRESS, snapshot, write_snapshot
from drystep.trace.trace import Allocation, Operator, Trace
from tests.drystep.memory.mlp_step import build_mlp

MIB = 1 << 20

VISUALIZER_OPCODES = {
    "APPEND", "APPENDS", "BINFLOAT", "BINGET", "BININT", "BININT1", "BININT2", "BINPUT", "BINUNICODE", "DICT",
    "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "FRAME", "LIST", "LONG1", "LONG_BINGET", "LONG_BINPUT", "MARK",
    "MEMOIZE", "NEWFALSE", "NEWTRUE", "NONE", "PROTO", "SETITEM", "SETITEMS", "SHORT_BINUNICODE", "STOP", "TUPLE",
    "TUPLE1", "TUPLE2", "TUPLE3",
}  # fmt: skip
"""What `unpickle` in PyTorch's torch/utils/viz/MemoryViz.js understands."""


def _trace(sizes_mib: list[float]) -> Trace:
    """One step that makes tensors of these sizes, and frees the first."""
    operators = [Operator("aten.make", "forward", "net.layer")]
    allocations = [Allocation(int(size * MIB), 0, "activations") for size in sizes_mib]
    events = [(index, True, 0) for index in range(len(sizes_mib))] + [(0, False, 0)]
    return Trace(allocations=allocations, operators=operators, events=events, iteration_starts=[0], first_operators=[0])


def test_segments_and_blocks_by_hand() -> None:
    """A block of 2 MiB that is free again, one of 3 MiB in the same 20 MiB, and one of 16 MiB that needs its own."""
    taken = snapshot(_trace([2, 3 - 100 / MIB, 16]))
    shared, own = taken["segments"]
    assert (shared["address"], shared["total_size"], shared["allocated_size"]) == (BASE_ADDRESS, 20 * MIB, 3 * MIB)
    assert [(block["state"], block["size"]) for block in shared["blocks"]] == [
        ("inactive", 2 * MIB), ("active_allocated", 3 * MIB), ("inactive", 15 * MIB),
    ]  # fmt: skip
    assert shared["requested_size"] == shared["blocks"][1]["requested_size"] == 3 * MIB - 100
    assert own["address"] == BASE_ADDRESS + 20 * MIB
    assert [block["size"] for block in own["blocks"]] == [own["total_size"]] == [16 * MIB]
    actions = [entry["action"] for entry in taken["device_traces"][0]]
    assert actions == [
        "segment_alloc", "alloc", "alloc", "segment_alloc", "alloc", "free_requested", "free_completed",
    ]  # fmt: skip


def test_frames_name_the_operator_and_its_modules() -> None:
    entry = snapshot(_trace([2]))["device_traces"][0][1]
    assert entry["frames"] == [
        {"filename": "forward", "line": 0, "name": "aten.make"},
        {"filename": "net.layer", "line": 0, "name": "layer"},
        {"filename": "net", "line": 0, "name": "net"},
    ]
    assert entry["category"] == "activations"


def test_out_of_memory_after_a_retry() -> None:
    """12 MiB fit, 14 MiB more do not, even though PyTorch first gives back what is free: there is nothing."""
    entries = snapshot(_trace([12, 14]), capacity_bytes=20 * MIB)["device_traces"][0]
    assert [entry["action"] for entry in entries] == ["segment_alloc", "alloc", "oom"]
    assert (entries[-1]["size"], entries[-1]["device_free"]) == (14 * MIB, 8 * MIB)
    assert "addr" not in entries[-1]


def test_a_retry_gives_segments_back() -> None:
    trace = _trace([12])
    trace.allocations.append(Allocation(14 * MIB, 0, "activations"))
    trace.events.append((1, True, 0))
    taken = snapshot(trace, capacity_bytes=20 * MIB)
    assert [entry["action"] for entry in taken["device_traces"][0]][-3:] == ["segment_free", "segment_alloc", "alloc"]
    assert [segment["total_size"] for segment in taken["segments"]] == [14 * MIB]


def test_the_trace_leads_to_the_segments() -> None:
    """What the visualizer relies on: it walks the events back from the final state."""
    taken = snapshot(simulate(build_mlp).trace)
    segments: dict[int, int] = {}
    blocks: dict[int, int] = {}
    for entry in taken["device_traces"][0]:
        match entry["action"]:
            case "segment_alloc":
                segments[entry["addr"]] = entry["size"]
            case "segment_free":
                del segments[entry["addr"]]
            case "alloc":
                assert entry["addr"] not in blocks
                blocks[entry["addr"]] = entry["size"]
            case "free_completed":
                assert blocks.pop(entry["addr"]) == entry["size"]
    assert segments == {segment["address"]: segment["total_size"] for segment in taken["segments"]}
    assert blocks == {
        block["address"]: block["requested_size"]
        for segment in taken["segments"]
        for block in segment["blocks"]
        if block["state"] == "active_allocated"
    }
    for segment in taken["segments"]:
        assert sum(block["size"] for block in segment["blocks"]) == segment["total_size"]


EXPANDABLE = AllocatorSettings(expandable_segments=True)


def _with_events(sizes_mib: list[float], *events: tuple[int, bool]) -> Trace:
    """As `_trace`, with other allocations (True) and frees (False) of these tensors."""
    trace = _trace(sizes_mib)
    trace.events[:] = [(index, born, 0) for index, born in events]
    return trace


def test_an_expandable_segment_by_hand() -> None:
    """30 MiB are 2 pages of 20 MiB; 15 more take what is left of them and 1 page more: one segment of 60 MiB."""
    taken = snapshot(_with_events([30, 15], (0, True), (1, True)), allocator_settings=EXPANDABLE)
    assert [(entry["action"], entry["size"] // MIB) for entry in taken["device_traces"][0]] == [
        ("segment_map", 40), ("alloc", 30), ("segment_map", 20), ("alloc", 15),
    ]  # fmt: skip
    (segment,) = taken["segments"]
    assert (segment["is_expandable"], segment["total_size"], segment["allocated_size"]) == (True, 60 * MIB, 45 * MIB)
    assert [block["size"] // MIB for block in segment["blocks"]] == [30, 15, 15]


def test_unmapped_pages_are_a_gap_between_segments() -> None:
    """5, 60 and 15 MiB are 4 pages. The 60 are freed, and 62 do not fit in their place. Under 120 MiB a retry unmaps
    the 2 pages from 20 to 60 MiB, so that 4 pages can be mapped behind the 15 MiB.
    """
    trace = _with_events([5, 60, 15, 62], (0, True), (1, True), (2, True), (1, False), (3, True))
    taken = snapshot(trace, 120 * MIB, EXPANDABLE, whole_card=True)
    driver = [entry for entry in taken["device_traces"][0] if entry["action"].startswith("segment")]
    assert [(entry["action"], (entry["addr"] - BASE_ADDRESS) // MIB, entry["size"] // MIB) for entry in driver] == [
        ("segment_map", 0, 20), ("segment_map", 20, 60), ("segment_unmap", 20, 40), ("segment_map", 80, 80),
    ]  # fmt: skip
    places = [(segment["address"] - BASE_ADDRESS, segment["total_size"]) for segment in taken["segments"]]
    assert places == [(0, 20 * MIB), (60 * MIB, 100 * MIB)]
    for segment in taken["segments"]:
        assert sum(block["size"] for block in segment["blocks"]) == segment["total_size"]


def test_a_snapshot_says_the_settings() -> None:
    settings = AllocatorSettings.parse("max_split_size_mb:30,roundup_power2_divisions:4")
    said = snapshot(_trace([1]), allocator_settings=settings)["allocator_settings"]
    assert said["PYTORCH_CUDA_ALLOC_CONF"] == "max_split_size_mb:30,roundup_power2_divisions:4"
    assert (said["max_split_size"], said["expandable_segments"]) == (30 * MIB, False)
    assert said["roundup_power2_divisions"]["32768"] == 4
    assert snapshot(_trace([1]))["allocator_settings"]["max_split_size"] == -1


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshot") / "snapshot.pickle"
    write_snapshot(simulate(build_mlp).trace, path)
    return path


def test_pytorchs_own_tools_read_it(pickled: Path) -> None:
    taken = pickle.loads(pickled.read_bytes())
    simulation = simulate(build_mlp)
    reserved = sum(segment["total_size"] for segment in taken["segments"])
    summary = _memory_viz.segsum(taken)  # asserts that used and free add up to every segment
    assert f"segments: {len(taken['segments'])}" in summary
    assert f"total_reserved: {_memory_viz.Bytes(reserved)}" in summary
    assert reserved == simulation.peak_reserved_bytes
    assert "cudaMalloc" in _memory_viz.trace(taken)
    flames = _memory_viz.memory(taken, format_flamegraph=lambda lines: lines)
    assert "backward:" in flames or "build:" in flames
    assert "stream_0;active_allocated;" in flames
    for page in (_memory_viz.trace_plot(taken), _memory_viz.segment_plot(taken)):
        assert "MemoryViz.js" in page


def test_an_oom_is_read_too() -> None:
    listing = _memory_viz.trace(snapshot(_trace([12, 14]), capacity_bytes=20 * MIB))
    assert "raise OutOfMemoryError # 14.0MiB requested, 8.0MiB free in CUDA" in listing


def test_the_page_understands_the_pickle(pickled: Path) -> None:
    data = pickled.read_bytes()
    opcodes = {opcode.name: argument for opcode, argument, _ in pickletools.genops(data)}
    assert opcodes.keys() <= VISUALIZER_OPCODES
    assert 2 <= opcodes["PROTO"] <= 4
    # The page appends a missing category "unknown" to a list that it misspells: so there must be one.
    taken = pickle.loads(data)
    assert "unknown" in {entry.get("category") for entry in taken["device_traces"][0]}


def test_bad_capacity() -> None:
    with pytest.raises(ValueError, match="capacity_bytes must be positive"):
        snapshot(_trace([1]), capacity_bytes=0)
