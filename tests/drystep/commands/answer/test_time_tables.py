"""The sentences and tables of predicted times."""

from rich.console import Console

from drystep.batches.throughput import BatchSpeed, Throughput
from drystep.commands.answer.time_tables import remarks, throughput_table, times_table

LABELS = {"a": "NVIDIA GeForce RTX 9", "b": "B"}


def _row(gpu: str, speeds: Throughput | None, time_unknown: str = ""):
    return {
        "gpu": gpu,
        "throughput": speeds and speeds.to_fields(),
        "time_unknown": time_unknown,
        "ranks": 2,
        "rests_on": [],
    }


def test_a_smaller_batch_that_is_nearly_as_good_is_named() -> None:
    """1000 and 960 images a second."""
    flat = Throughput((BatchSpeed(24, 25.0, 0), BatchSpeed(40, 40.0, 3)))
    assert list(remarks([_row("b", flat)], LABELS)) == [
        "B: a batch of 24 reaches 96 % of the images per second of 40, and takes less memory.",
        "B: a batch of 40 fits with retries of the allocator, whose time is not in the prediction.",
    ]
    steep = Throughput((BatchSpeed(20, 25.0, 0), BatchSpeed(40, 40.0, 0)))
    assert list(remarks([_row("b", steep)], LABELS)) == []


def test_a_reason_is_said_once() -> None:
    rows = [_row("a", Throughput((), "a has no link_gbs"), "a has no link_gbs"), _row("b", None, "b has no peak")]
    assert list(remarks(rows, LABELS)) == [
        "No time for NVIDIA GeForce RTX 9: a has no link_gbs.",
        "No time for B: b has no peak.",
    ]


def test_80_columns_are_enough() -> None:
    speeds = Throughput((BatchSpeed(512, 20_000.0, 0), BatchSpeed(1024, 39_999.9, 0)))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(throughput_table([_row("a", speeds), _row("b", Throughput((), "none"))], LABELS))
    head, first, second = captured.get().splitlines()
    assert head.split() == ["GPU", "best", "batch", "images/s", "step", "ms", "95", "%", "at", "batch", "images/s"]
    assert first.split()[-5:] == ["1024", "25.6", "39,999.9", "512", "25.6"]
    assert second.split() == ["B", *"–––––"]


def test_the_time_of_a_step_with_its_interval() -> None:
    """Among ranks with the exchange; a card without a time has dashes."""
    known = {"step_ms": 312.0, "least_ms": 290.04, "most_ms": 345.0, "coverage": 0.974}
    alone = [{"gpu": "a", "ranks": None, **known}, {"gpu": "b", "ranks": None, **dict.fromkeys(known)}]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(times_table(alone, LABELS))
        console.print(times_table([{**alone[0], "ranks": 2, "exchange_ms": 9.0, "exposed_ms": 1.25}], LABELS))
    head, first, second, _, among = captured.get().splitlines()
    assert head.split() == ["GPU", "step", "ms", "four", "of", "five", "measured"]
    assert first.split()[-6:] == ["312.0", "290.0", "to", "345.0", "97", "%"]
    assert second.split() == ["B", "–", "–", "–"]
    assert among.split()[-4:] == ["97", "%", "9.0", "1.2"]


def test_what_a_time_rests_on() -> None:
    row = {**_row("b", None), "rests_on": ["722 steps measured on rtx-9", "operators"]}
    assert list(remarks([row], LABELS)) == ["B: predicted from 722 steps measured on rtx-9 and from operators."]
