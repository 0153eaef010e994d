"""Steps side by side: changes by arithmetic, and what is shown of them."""

import pytest

from drystep.commands.answer.compared import (
    MOST_STEPS,
    Compared,
    card_cells,
    card_fields,
    compared_markdown,
    peak_cells,
    print_compared,
)
from drystep.commands.cards import unsupported
from drystep.commands.terminal import PlainConsole
from drystep.gpus.classes import select_gpus
from tests.drystep.commands.answer.sample_rows import HOSTILE, MIB, row, too_small

LABELS = {"a": "A", "b": "B"}
FULL = row()["uncapped"]
HALF = FULL | {
    "peak_allocated_bytes": 500 * MIB,
    "peak_reserved_bytes": 1500 * MIB,
    "at_peak": {"parameters": 200 * MIB, "activations": 300 * MIB},
}


def _step(*rows, title: str = "a step") -> Compared:
    return Compared("timm:x", title, {"method": "full"}, {"torch": "2.11"}, "fp32", rows)


def _pair() -> list[Compared]:
    second = _step(row(uncapped=HALF, step_ms=300.0), too_small("b", uncapped=HALF))
    return [_step(row(), too_small()), second]


def test_changes_are_from_the_first_step() -> None:
    line = card_fields(_pair(), 0)
    assert line["gpu"] == "a"
    assert line["changes"] == [{
        "peak_allocated_bytes": -0.5, "peak_reserved_bytes": -0.25, "step_ms": pytest.approx(0.2),
        "images_per_second": pytest.approx(1 / 1.2 - 1),
    }]  # fmt: skip
    assert [step["step_ms"] for step in line["steps"]] == [250.0, 300.0]
    assert card_fields(_pair(), 1)["changes"][0]["step_ms"] is None


def test_the_peak_by_kind() -> None:
    columns, lines = peak_cells(_pair())
    assert columns == ["MiB", "1", "2"]
    assert lines[0] == ["allocated", "1,000", "500 (-50 %)"]
    assert ["activations", "640", "300 (-53 %)"] in lines
    assert ["gradients", "100", "0.0 (-100 %)"] in lines
    assert lines[-1] == ["reserved", "2,000", "1,500 (-25 %)"]
    assert not any(line[0] == "optimizer state" for line in lines)


def test_a_line_for_each_step_of_a_card() -> None:
    columns, lines = card_cells(_pair(), LABELS)
    assert columns[-1] == "change of ms"
    assert lines == [
        ["A", "1", "fits", "4.00", "250", "32", ""],
        ["", "2", "fits", "4.00", "300", "27", "+20 %"],
        ["B", "1", "does not fit", "–", "–", "–", ""],
        ["", "2", "does not fit", "–", "–", "–", "–"],
    ]


def test_steps_of_unequal_batches_are_compared_by_images() -> None:
    """8 images in 250 ms are 32 a second, 24 in 500 ms are 48."""
    columns, lines = card_cells([_step(row()), _step(row(batch_size=24, step_ms=500.0))], LABELS)
    assert columns[-1] == "change of im/s"
    assert lines[1][-2:] == ["48", "+50 %"]


def test_a_card_without_the_precision_of_a_step() -> None:
    card = select_gpus(["v100-32gb"])[0]
    other = unsupported(card, row())
    steps = [_step(row(card.name)), _step(other)]
    assert peak_cells(steps)[1] == []
    assert [line[2] for line in card_cells(steps, {card.name: card.label})[1]] == ["fits", "not supported"]
    assert set(card_fields(steps, 0)["changes"][0].values()) == {None}
    assert "not supported" in compared_markdown(steps, {card.name: card.label})


def test_80_columns_are_enough(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for module in ("drystep.commands.terminal", "drystep.commands.answer.compared"):
        monkeypatch.setattr(f"{module}.stdout", PlainConsole(width=80), raising=False)
    wide = row(verdict="fits_with_retries", step_ms=123_456.7)
    print_compared([_step(wide, title="t" * 60) for _ in range(MOST_STEPS)], {"a": "RTX 4070 Ti SUPER (16 GB)"})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("fits with retries" in line for line in lines) == MOST_STEPS
    assert sum("1,000 (+0 %)" in line for line in lines) == 1


def test_names_of_others_are_text() -> None:
    text = compared_markdown([_step(row(), title=HOSTILE), _step(row())], {"a": HOSTILE})
    assert "\\<img" in text
    assert " <img" not in text
    assert "\x1b" not in text
