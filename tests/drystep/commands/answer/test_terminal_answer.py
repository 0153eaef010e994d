"""The answer of fit on 80 columns: every figure is there whole, however many cards there are."""

import pytest

from drystep.commands.answer import terminal as answer_terminal
from drystep.commands.terminal import PlainConsole
from tests.drystep.commands.answer.sample_rows import ADVICE, row, too_small

WIDE = row(
    "a", verdict="fits_with_retries", headroom_bytes=int(123.45 * 2**30), largest_batch=4096,
    largest_image=[4064, 4096], step_ms=123_456.0, batch_size=8, advice=[
        ADVICE,
        ADVICE | {"option": "--alloc-conf expandable_segments:True", "memory_change": -0.01, "makes_it_fit": False},
    ],
)  # fmt: skip
NAME = "RTX PRO 6000 Blackwell (96 GB)"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Print an answer on a terminal of 80 columns."""
    for module in ("drystep.commands.terminal", "drystep.commands.answer.terminal"):
        monkeypatch.setattr(f"{module}.stdout", PlainConsole(width=80))

    def printed(rows, labels) -> list[str]:
        answer_terminal.print_answer(
            "timm:vit_base_patch14_dinov2, full, adamw, 512 x 768", rows, labels, with_all=False
        )
        return capsys.readouterr().out.splitlines()

    return printed


def test_nothing_is_cut_and_no_line_is_longer(lines) -> None:
    found = lines([WIDE, too_small()], {"a": NAME, "b": "B"})
    assert max(map(len, found)) <= 80
    words = " ".join(" ".join(found).split())
    assert "…" not in words
    for figure in ("123.45", "4096", "4064x4096", "123,456", "does not fit", "512 x 768", "1,000", "640", "64 %"):
        assert figure in words


def test_advice_can_be_copied(lines) -> None:
    found = lines([WIDE], {"a": NAME})
    assert [line.split("  ")[0] for line in found if line.startswith("--")] == [
        "--batch-size 4 --accumulate 2",
        "--alloc-conf expandable_segments:True",
    ]


def test_forty_cards_take_forty_lines(lines) -> None:
    rows = [row(f"card-{number}", verdict="fits_with_retries") for number in range(40)]
    found = lines(rows, {each["gpu"]: f"RTX 6000 Ada ({each['gpu']})"[:21] for each in rows})
    assert sum(line.startswith("RTX") for line in found) == 40
    assert len(found) <= 40 + 12
