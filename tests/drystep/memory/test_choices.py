"""Workspaces that a card takes for sure, and those that it may take."""

from dataclasses import replace

from drystep.memory.choices import Choices
from drystep.memory.replay import replay
from drystep.memory.sizes import DEFAULT_SETTINGS
from drystep.operators import Workspace
from drystep.trace.trace import Allocation, Operator, Trace

MIB = 1 << 20
POSSIBLE = Workspace(30 * MIB, soft=True, kept=False, certain=False)


def _trace(*events: int | Workspace) -> Trace:
    """Allocations of MiB that stay, or are freed at once if negative; workspaces are freed at once."""
    trace = Trace(operators=[Operator("op", "forward")], iteration_starts=[0])
    for index, what in enumerate(events):
        workspace = what if isinstance(what, Workspace) else None
        size_bytes = workspace.size_bytes if workspace else abs(what) * MIB
        trace.allocations.append(Allocation(size_bytes, 0, "workspace" if workspace else "activations", workspace))
        trace.events.append((index, True, 0))
        if workspace or what < 0:
            trace.events.append((index, False, 0))
    return trace


def test_a_possible_request_counts_only_when_asked_for() -> None:
    trace = _trace(20, POSSIBLE)
    assert replay(trace).peak_reserved_bytes == 20 * MIB
    assert replay(trace, possible=True).peak_reserved_bytes == 50 * MIB


def test_a_certain_request_counts_on_its_architecture() -> None:
    trace = _trace(20, replace(POSSIBLE, certain=True, architectures=("7.0",)))
    assert replay(trace, architecture="7.0").peak_allocated_bytes == 50 * MIB
    assert replay(trace, architecture="7.5").peak_allocated_bytes == 20 * MIB
    assert replay(trace, possible=True).peak_allocated_bytes == 20 * MIB


def test_a_soft_request_that_fails_is_skipped_after_the_cache_was_flushed() -> None:
    trace = _trace(20, -10, POSSIBLE, 12)
    outcome = replay(trace, capacity_bytes=40 * MIB, possible=True)
    assert outcome.verdict == "fits_with_retries"
    assert outcome.alloc_retries == 1  # the ladder was climbed for the workspace: the 10 cached MiB are gone
    assert outcome.peak_reserved_bytes == 32 * MIB
    assert outcome.at_peak["workspace"] == 0


def test_a_request_that_fails_is_made_smaller() -> None:
    trace = _trace(20, replace(POSSIBLE, smaller_bytes=(24 * MIB, 16 * MIB, 10 * MIB)))
    assert replay(trace, 36 * MIB, possible=True).peak_allocated_bytes == 36 * MIB
    assert replay(trace, 31 * MIB, possible=True).peak_allocated_bytes == 30 * MIB
    assert replay(trace, 29 * MIB, possible=True).peak_allocated_bytes == 20 * MIB


def test_a_verdict_depends_where_only_some_choices_fit() -> None:
    """A workspace that stays takes the cached 40 MiB, so that the next 40 MiB need a segment of their own."""
    stays = replace(POSSIBLE, kept=True)
    trace = _trace(20, -40, stays, 40)
    trace.events = [event for event in trace.events if event != (2, False, 0)]  # it is kept
    choices = Choices(trace, DEFAULT_SETTINGS)
    assert choices.fit("", 60 * MIB).verdict == "depends"
    assert choices.fit("", 60 * MIB).peak_reserved_bytes == 60 * MIB
    assert choices.fit("", 100 * MIB).verdict == "fits"
    assert choices.fit("", 50 * MIB).verdict == "oom"


def test_no_replay_is_made_twice() -> None:
    choices = Choices(_trace(20, replace(POSSIBLE, architectures=("7.0",))), DEFAULT_SETTINGS)
    assert choices.replay(False, "") is choices.replay(True, "8.6") is choices.replay(False, "7.0")
    assert choices.replay(True, "7.0") is not choices.replay(False, "7.0")
