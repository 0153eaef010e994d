"""The next process is started when the one before is in use, and only used for what it was started for."""

import pytest

from bench.engines import cuda
from bench.engines.settings import Settings
from bench.proof.ahead import Ahead
from tests.bench.proof.fake_card import CARD, tiny

FULL, LORA = tiny("full"), tiny("lora")


class FakeChild:
    def __init__(self, settings: Settings) -> None:
        self.time_limit_s = self.left_s = settings.time_limit_s
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None, FakeChild]]:
    found: list[tuple[str, int | None, FakeChild]] = []

    def open_case(case, card, settings, limit_bytes) -> FakeChild:
        found.append((case.method, limit_bytes, FakeChild(settings)))
        return found[-1][2]

    monkeypatch.setattr(cuda, "open_case", open_case)
    return found


def _names(opened: list) -> list[tuple[str, int | None]]:
    return [(method, limit) for method, limit, _ in opened]


def test_the_next_is_started_when_one_is_in_use(opened) -> None:
    ahead = Ahead(CARD, has_spare_cores=True, wait_s=500)
    ahead.expect((LORA, 7))
    assert opened == []
    ahead.open_case(FULL, CARD, Settings(time_limit_s=30), None)
    assert _names(opened) == [("full", None), ("lora", 7)]
    child = ahead.open_case(LORA, CARD, Settings(time_limit_s=40), 7)
    assert child is opened[1][2]
    assert child.time_limit_s == child.left_s == 40
    assert len(opened) == 2
    ahead.close()
    assert not child.closed  # it is in use


def test_one_that_was_started_for_something_else_is_ended(opened) -> None:
    ahead = Ahead(CARD, has_spare_cores=True, wait_s=500)
    ahead.start((LORA, 7))
    ahead.start((FULL, None))  # one is enough
    assert ahead.open_case(LORA, CARD, Settings(), None) is opened[1][2]
    assert _names(opened) == [("lora", 7), ("lora", None)]
    assert opened[0][2].closed
    ahead.start((FULL, 1))
    ahead.close()
    ahead.close()
    assert opened[2][2].closed


def test_without_spare_cores_nothing_is_started_ahead(opened) -> None:
    ahead = Ahead(CARD, has_spare_cores=False, wait_s=500)
    ahead.start((LORA, None))
    ahead.expect((LORA, None))
    ahead.open_case(FULL, CARD, Settings(), None)
    assert _names(opened) == [("full", None)]
