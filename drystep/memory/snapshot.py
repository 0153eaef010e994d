"""A replay in the format of `torch.cuda.memory._dump_snapshot`, for https://pytorch.org/memory_viz.

A snapshot has one stream of device 0. The frames of an event name the operator, then the modules around it, innermost
first. What an allocation is for is its category in the visualizer. Times are event numbers, because a simulation has
no clock.
"""

import functools
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.block import Block, PoolName
from drystep.memory.driver import AllocatorStats
from drystep.memory.replay import Observer, replay
from drystep.memory.sizes import DEFAULT_SETTINGS
from drystep.trace.trace import Trace

BASE_ADDRESS = 0x7F0000000000
"""Address of the first segment. It is not 0, which the visualizer reads as no address."""
PICKLE_PROTOCOL = 4
"""The newest protocol that the visualizer reads."""
UNKNOWN = "unknown"
"""Category of a new segment, for which the visualizer needs one."""
Frames = list[dict[str, Any]]
Entry = dict[str, Any]


def snapshot(
    trace: Trace,
    capacity_bytes: int | None = None,
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS,
    whole_card: bool = False,
    architecture: str = "",
) -> dict[str, Any]:
    """Return the snapshot of a replay, from the build to the end of the last step or to the failure."""
    photographer = _Photographer(trace, capacity_bytes)
    replay(trace, capacity_bytes, False, photographer, allocator_settings, whole_card, architecture)
    return {
        "segments": photographer.segments(),
        "device_traces": [photographer.entries],
        "allocator_settings": _describe(allocator_settings),
        "external_annotations": [],
    }


def write_snapshot(
    trace: Trace,
    path: Path,
    capacity_bytes: int | None = None,
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS,
    whole_card: bool = False,
    architecture: str = "",
) -> None:
    """Write the snapshot of a replay to a file, which can be dropped onto the visualizer's page."""
    with path.open("wb") as file:
        taken = snapshot(trace, capacity_bytes, allocator_settings, whole_card, architecture)
        pickle.dump(taken, file, protocol=PICKLE_PROTOCOL)


@dataclass(frozen=True, slots=True)
class _Segment:
    """Memory without a gap that the driver gave."""

    size_bytes: int
    pool: PoolName
    expandable: bool


class _Photographer(Observer):
    """Collects the entries of the device trace, and keeps track of the segments and blocks that exist."""

    def __init__(self, trace: Trace, capacity_bytes: int | None) -> None:
        self.entries: list[Entry] = []
        self._trace = trace
        self._capacity_bytes = capacity_bytes
        self._segments: dict[int, _Segment] = {}  # by address
        self._blocks: dict[int, tuple[int, int]] = {}  # address -> size, allocation
        self._event = 0
        self._frames = functools.cache(self._frames_of)  # events of an operator share one list, for a small file

    def segment_allocated(self, address: int, size_bytes: int, pool: PoolName) -> None:
        self._segments[address] = _Segment(size_bytes, pool, expandable=False)
        self._add("segment_alloc", address, size_bytes, [], category=UNKNOWN)

    def segment_freed(self, address: int, size_bytes: int) -> None:
        del self._segments[address]
        self._add("segment_free", address, size_bytes, [])

    def segment_mapped(self, address: int, size_bytes: int, pool: PoolName) -> None:
        self._add("segment_map", address, size_bytes, [], category=UNKNOWN)
        for start, part in list(self._segments.items()):  # a snapshot has one segment for each range without a gap
            if part.expandable and start + part.size_bytes == address:
                address, size_bytes = start, part.size_bytes + size_bytes
                del self._segments[start]
            elif part.expandable and start == address + size_bytes:
                size_bytes += part.size_bytes
                del self._segments[start]
        self._segments[address] = _Segment(size_bytes, pool, expandable=True)

    def segment_unmapped(self, address: int, size_bytes: int) -> None:
        self._add("segment_unmap", address, size_bytes, [])
        end = address + size_bytes
        start = max(before for before in self._segments if before <= address)
        part = self._segments.pop(start)
        for left, right in ((start, address), (end, start + part.size_bytes)):
            if left < right:
                self._segments[left] = _Segment(right - left, part.pool, expandable=True)

    def block_allocated(self, event: int, block: Block, stats: AllocatorStats) -> None:
        index, _, operator = self._trace.events[event]
        self._blocks[block.address] = (block.size_bytes, index)
        allocation = self._trace.allocations[index]
        frames = self._frames(operator)
        self._add("alloc", block.address, allocation.requested_bytes, frames, category=allocation.category)
        self._event = event + 1

    def block_freed(self, event: int, address: int, stats: AllocatorStats) -> None:
        index, _, operator = self._trace.events[event]
        del self._blocks[address]
        for action in ("free_requested", "free_completed"):  # with one stream, a free completes at once
            self._add(action, address, self._trace.allocations[index].requested_bytes, self._frames(operator))
        self._event = event + 1

    def out_of_memory(self, event: int, stats: AllocatorStats) -> None:
        index, _, operator = self._trace.events[event]
        entry = self._entry("oom", self._trace.allocations[index].requested_bytes, self._frames(operator))
        entry["device_free"] = (self._capacity_bytes or 0) - stats.reserved_bytes
        self.entries.append(entry)

    def segments(self) -> list[dict[str, Any]]:
        """The segments that exist at present, with their blocks."""
        return [self._segment(address) for address in sorted(self._segments)]

    def _segment(self, address: int) -> dict[str, Any]:
        segment = self._segments[address]
        blocks = self._blocks_between(address, address + segment.size_bytes)
        active = [block for block in blocks if block["state"] == "active_allocated"]
        allocated_bytes = sum(block["size"] for block in active)
        return {
            "device": 0,
            "address": BASE_ADDRESS + address,
            "total_size": segment.size_bytes,
            "allocated_size": allocated_bytes,
            "active_size": allocated_bytes,
            "requested_size": sum(block["requested_size"] for block in active),
            "stream": 0,
            "segment_type": segment.pool,
            "segment_pool_id": (0, 0),
            "is_expandable": segment.expandable,
            "frames": [],
            "blocks": blocks,
        }

    def _blocks_between(self, start: int, end: int) -> list[dict[str, Any]]:
        """Allocated blocks of a segment in address order, and the free ones between them."""
        blocks, at = [], start
        for address in self._addresses_between(start, end):
            if address > at:
                blocks.append(_block(at, address - at, 0, "inactive", []))
            size, index = self._blocks[address]
            allocation = self._trace.allocations[index]
            frames = self._frames(allocation.operator)
            blocks.append(_block(address, size, allocation.requested_bytes, "active_allocated", frames))
            at = address + size
        if at < end:
            blocks.append(_block(at, end - at, 0, "inactive", []))
        return blocks

    def _addresses_between(self, start: int, end: int) -> list[int]:
        return sorted(address for address in self._blocks if start <= address < end)

    def _add(self, action: str, address: int, size_bytes: int, frames: Frames, **more: str) -> None:
        entry = self._entry(action, size_bytes, frames)
        entry["addr"] = BASE_ADDRESS + address
        entry.update(more)
        self.entries.append(entry)

    def _entry(self, action: str, size_bytes: int, frames: Frames) -> Entry:
        return {"action": action, "size": size_bytes, "stream": 0, "frames": frames, "time_us": self._event}

    def _frames_of(self, operator: int) -> Frames:
        """Frames of the operator, of its module, and of the modules around that one."""
        called = self._trace.operators[operator]
        parts = called.module.split(".") if called.module else []
        around = [(".".join(parts[:depth]), parts[depth - 1]) for depth in range(len(parts), 0, -1)]
        innermost = {"filename": called.phase, "line": operator, "name": called.name}
        return [innermost, *({"filename": path, "line": 0, "name": name} for path, name in around)]


def _describe(settings: AllocatorSettings) -> dict[str, Any]:
    """The `allocator_settings` of a snapshot (`config_metadata` in torch/csrc/cuda/Module.cpp)."""
    divisions = settings.roundup_power2_divisions
    return {
        "PYTORCH_CUDA_ALLOC_CONF": str(settings),
        "max_split_size": -1 if settings.max_split_bytes is None else settings.max_split_bytes,
        "garbage_collection_threshold": settings.garbage_collection_threshold,
        "expandable_segments": settings.expandable_segments,
        "roundup_power2_divisions": {str(1 << at): count for at, count in enumerate(divisions)}
        if any(divisions)
        else {},
    }


def _block(address: int, size_bytes: int, requested_bytes: int, state: str, frames: Frames) -> dict[str, Any]:
    return {
        "address": BASE_ADDRESS + address,
        "size": size_bytes,
        "requested_size": requested_bytes,
        "state": state,
        "frames": frames,
    }
