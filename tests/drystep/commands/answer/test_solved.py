"""The card to take, and the largest sizes, out of rows of cards."""

import pytest

from drystep.batches.largest import LARGEST_BATCH
from drystep.batches.throughput import BatchSpeed, Throughput
from drystep.commands.answer.solved import cards_in_order, print_batches, print_cards, print_images
from tests.drystep.commands.answer.sample_rows import GIB, row, too_small

CARDS = [
    row("large", usable_bytes=80 * GIB, step_ms=90.0),
    too_small("small", usable_bytes=8 * GIB),
    row("unsure", verdict="depends", usable_bytes=12 * GIB, headroom_bytes=None),
    row("slow", usable_bytes=16 * GIB, step_ms=400.0),
    row("tight", verdict="fits_with_retries", usable_bytes=16 * GIB, step_ms=300.0),
    row("untimed", usable_bytes=20 * GIB, step_ms=None, coverage=None),
]


@pytest.mark.parametrize(
    ("order", "names"),
    [("memory", ["tight", "slow", "untimed", "large"]), ("time", ["large", "tight", "slow"])],
)
def test_only_cards_that_fit_for_sure_are_chosen(order: str, names: list[str]) -> None:
    assert [card["gpu"] for card in cards_in_order(CARDS, order)] == names


def test_the_chosen_card_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    rows = cards_in_order(CARDS, "time")
    print_cards(rows, {name: name.title() for name in ("large", "slow", "tight")}, "time", len(CARDS))
    first, head, *cards = capsys.readouterr().out.splitlines()
    assert first == "The fastest card that fits, of 6 cards: Large (--gpu large)"
    assert head.split() == ["GPU", "verdict", "usable", "GiB", "left", "GiB", "ms", "images/s"]
    assert cards[0].split() == ["Large", "fits", "80.00", "4.00", "90.0", "89"]  # 8 images in 0.09 s


def test_no_card_fits(capsys: pytest.CaptureFixture[str]) -> None:
    print_cards([], {}, "memory", 2)
    assert capsys.readouterr().out == "None of 2 cards fits.\n"


def test_speeds_of_the_largest_batch_and_of_the_fastest(capsys: pytest.CaptureFixture[str]) -> None:
    """1000, 2000 and 1950 images a second."""
    speeds = Throughput((BatchSpeed(10, 10.0, 0), BatchSpeed(100, 50.0, 0), BatchSpeed(195, 100.0, 0))).to_fields()
    none = Throughput((), "no peaks").to_fields()
    rows = [row("a", largest_batch=195, throughput=speeds), too_small("b", throughput=none)]
    print_batches(rows, {"a": "A", "b": "B"})
    head, first, second, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["GPU", "largest", "images/s", "fastest", "images/s", "95", "%", "at", "images/s"]
    assert first.split() == ["A", "195", "1,950", "100", "2,000", "100", "2,000"]
    assert second.split() == ["B", "none", *"–––––"]


def test_the_end_of_a_search_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_batches([row(largest_batch=LARGEST_BATCH, throughput=Throughput(()).to_fields())], {"a": "A"})
    assert f"The search ends at {LARGEST_BATCH:,}." in capsys.readouterr().out
    print_images([row(largest_image=[2048, 4096]), too_small("b")], {"a": "A", "b": "B"})
    head, first, second, end = capsys.readouterr().out.splitlines()
    assert (head.split(), first.split(), second.split()) == (
        ["GPU", "largest", "image", "batch"], ["A", "2048x4096", "8"], ["B", "none", "8"],
    )  # fmt: skip
    assert end == "The search ends at sides of 4,096 pixels."
