from dataclasses import dataclass

import pytest

from bench.engines.timing import contention
from bench.engines.timing.contention import CONTENDED_SHARE, GRAIN_MS, ProcessorClock, ProcessorUse, wait_until_calm


def _use(others_ms: float, wall_ms: float = 1000.0) -> ProcessorUse:
    return ProcessorUse(wall_ms, own_ms=wall_ms, others_ms=others_ms, processors=2)


def test_shares_are_of_all_processors() -> None:
    use = ProcessorUse(wall_ms=500.0, own_ms=400.0, others_ms=100.0, processors=2)
    assert (use.own_share, use.others_share) == (0.4, 0.1)
    both = use + ProcessorUse(1500.0, 600.0, 300.0, 2)
    assert (both.own_share, both.others_share) == (0.25, 0.1)
    assert ProcessorUse(0.0, 0.0, 0.0, 2).others_share == 0.0


def test_others_must_take_more_than_the_limit_and_than_ticks_can_err() -> None:
    limit_ms = 2 * 1000 * CONTENDED_SHARE
    assert _use(limit_ms * 1.01).is_contended
    assert not _use(limit_ms * 0.99).is_contended
    assert not _use(GRAIN_MS, wall_ms=GRAIN_MS).is_contended  # half of the processors, but two ticks
    assert _use(GRAIN_MS + 1, wall_ms=GRAIN_MS).is_contended


@dataclass(frozen=True)
class _Times:
    """What psutil tells of one processor, in seconds."""

    user: float
    idle: float
    iowait: float = 0.0
    steal: float = 0.0
    guest: float = 0.0


class _Machine:
    """Two processors that this process may use, and a third that it may not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.own = 0.0
        self.times = [_Times(0.0, 0.0)] * 3
        monkeypatch.setattr(contention.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(contention.time, "process_time", lambda: self.own)
        monkeypatch.setattr(contention.psutil, "cpu_times", lambda percpu: self.times)
        monkeypatch.setattr(contention, "_usable_processors", lambda: [0, 1])


def test_what_a_clock_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = _Machine(monkeypatch)
    machine.times = [_Times(5.0, 50.0), _Times(7.0, 70.0), _Times(9.0, 90.0)]
    clock = ProcessorClock()
    machine.now, machine.own = 2.0, 2.5
    # Two seconds: the first processor works all the time, of which a host takes half a second that this system
    # wanted; the second works for one and waits for a disk. The third is none of ours.
    machine.times = [_Times(6.5, 50.0, steal=0.5, guest=1.0), _Times(8.0, 70.0, iowait=1.0), _Times(11.0, 90.0)]
    use = clock.use()
    assert use == ProcessorUse(wall_ms=2000.0, own_ms=2500.0, others_ms=500.0, processors=2)
    machine.own = 9.0
    assert clock.use().others_ms == 0.0  # no count is exact, and nobody takes less than nothing


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeps of a clock that only they move."""
    naps: list[float] = []
    monkeypatch.setattr(contention.time, "sleep", naps.append)
    monkeypatch.setattr(contention.time, "monotonic", lambda: sum(naps))
    return naps


def _seen(monkeypatch: pytest.MonkeyPatch, *others_ms: float) -> None:
    uses = iter(others_ms)
    monkeypatch.setattr(contention.ProcessorClock, "use", lambda clock: _use(next(uses)))


def test_waiting_ends_with_the_contention(monkeypatch: pytest.MonkeyPatch, asleep: list[float]) -> None:
    _seen(monkeypatch, 900.0, 900.0, 0.0, 900.0)
    wait_until_calm(10.0, interval_s=0.5)
    assert asleep == [0.5, 0.5, 0.5]


def test_waiting_ends_in_any_case(monkeypatch: pytest.MonkeyPatch, asleep: list[float]) -> None:
    _seen(monkeypatch, *[900.0] * 9)
    wait_until_calm(1.25, interval_s=0.5)
    assert asleep == [0.5, 0.5, 0.25]
    wait_until_calm(0.0)
    assert sum(asleep) == 1.25


def test_this_machine_can_be_read() -> None:
    use = ProcessorClock().use()
    assert use.processors >= 1
    assert use.wall_ms >= 0 and use.own_ms >= 0 and use.others_ms >= 0
