import pytest

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.replay import replay
from drystep.trace.trace import Allocation, Operator, Trace

MIB = 1 << 20


def _trace(*iterations: list[tuple[str, int]]) -> Trace:
    """Iterations of ("+name", MiB) and ("-name", 0); names starting with g are gradients, others activations."""
    trace = Trace(operators=[Operator("forward_op", "forward"), Operator("backward_op", "backward")])
    index: dict[str, int] = {}
    for events in iterations:
        trace.iteration_starts.append(len(trace.events))
        for text, mib in events:
            name, born = text[1:], text[0] == "+"
            operator = 1 if name.startswith("g") else 0
            if born:
                index[name] = len(trace.allocations)
                category = "gradients" if name.startswith("g") else "activations"
                trace.allocations.append(Allocation(mib * MIB, operator, category))
            trace.events.append((index[name], born, operator))
    return trace


def test_the_peak_is_that_of_the_last_step() -> None:
    trace = _trace(
        [("+a", 100), ("-a", 0), ("+b", 10)],
        [("+c", 20), ("+g", 30), ("-c", 0)],
    )
    outcome = replay(trace)
    assert outcome.peak_allocated_bytes == 60 * MIB
    assert outcome.peak_reserved_bytes == 100 * MIB  # b, c and g live in what a left behind
    assert outcome.peak_phase == "backward"
    assert outcome.at_peak["activations"] == 30 * MIB
    assert outcome.at_peak["gradients"] == 30 * MIB
    assert sum(outcome.at_peak.values()) == outcome.peak_allocated_bytes
    assert outcome.verdict == "fits"


@pytest.mark.parametrize(
    ("capacity_mib", "verdict", "retries", "reserved_mib"),
    [(70, "fits", 0, 70), (40, "fits_with_retries", 1, 40), (39, "oom", 1, 30)],
)
def test_three_verdicts(capacity_mib: int, verdict: str, retries: int, reserved_mib: int) -> None:
    outcome = replay(_trace([("+a", 30), ("-a", 0), ("+b", 40)]), capacity_mib * MIB)
    assert outcome.verdict == verdict
    assert outcome.alloc_retries == retries
    assert outcome.peak_reserved_bytes == reserved_mib * MIB


def test_a_replay_follows_the_settings() -> None:
    """Of three tensors of 30 MiB, two are freed for one of 31, which fits none of their segments."""
    trace = _trace([("+a", 30), ("+b", 30), ("+c", 30), ("-b", 0), ("-c", 0), ("+d", 31)])
    expandable = AllocatorSettings(expandable_segments=True)
    assert replay(trace).peak_reserved_bytes == (3 * 30 + 32) * MIB
    assert replay(trace, allocator_settings=expandable).peak_reserved_bytes == 100 * MIB  # 5 pages
    assert replay(trace, 100 * MIB).verdict == "fits_with_retries"
    assert replay(trace, 100 * MIB, allocator_settings=expandable).verdict == "fits"


def test_garbage_is_collected_under_a_limit_and_not_on_a_card() -> None:
    trace = _trace([("+a", 30), ("-a", 0), ("+b", 32), ("-b", 0), ("+c", 60)])
    collecting = AllocatorSettings(garbage_collection_threshold=0.2)
    limited = replay(trace, 100 * MIB, allocator_settings=collecting)
    on_card = replay(trace, 100 * MIB, allocator_settings=collecting, whole_card=True)
    assert (limited.alloc_retries, on_card.alloc_retries) == (0, 1)


def test_an_oom_shows_what_was_alive_when_it_came() -> None:
    outcome = replay(_trace([("+a", 30), ("+g", 30)]), 50 * MIB)
    assert outcome.verdict == "oom"
    assert outcome.peak_phase == "backward"
    assert outcome.at_peak["activations"] == 30 * MIB
    assert outcome.at_peak["gradients"] == 0


def test_several_steady_steps() -> None:
    trace = _trace(
        [("+a", 100), ("-a", 0)],
        [("+b", 40), ("-b", 0)],
        [("+c", 70), ("-c", 0)],
        [("+d", 60), ("-d", 0)],
    )
    trace.steady_steps = 3
    outcome = replay(trace)
    assert (outcome.peak_allocated_bytes, outcome.peak_step) == (70 * MIB, 2)
    trace.steady_steps = 1
    outcome = replay(trace)
    assert (outcome.peak_allocated_bytes, outcome.peak_step) == (60 * MIB, 3)
