"""Markdown of an answer: its figures, and names that mean nothing in it."""

import re

from drystep.commands.answer.markdown import escaped, markdown, table
from tests.drystep.commands.answer.sample_rows import ADVICE, HOSTILE, row, too_small

HEADING = {"title": "timm:vit_base_patch16_224, lora, batch 8"}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_figures_of_cards_peak_and_advice() -> None:
    lines = markdown(HEADING, [row(advice=[ADVICE]), too_small()], {"a": "A 24", "b": "B 8"}).splitlines()
    cards = [_cells(line) for line in lines if line.startswith(("| A 24", "| B 8"))]
    assert cards == [  # 8 images in 250 ms are 32 a second
        ["A 24", "fits", "4.00", "10", "544x816", "250", "32"],
        ["B 8", "does not fit", "–", "0", "none", "–", "–"],
    ]
    assert "| activations | 640 | 64 % |" in lines
    assert "At the peak, in the backward pass: 1,000 MiB allocated, 2,000 MiB reserved (simulated)." in lines
    advice = next(_cells(line) for line in lines if line.startswith("| half the batch"))
    assert advice == ["half the batch, accumulated", "-31 %", "+50 %", "makes it fit", "--batch-size 4 --accumulate 2"]


def test_simulated_and_predicted_figures_are_told_apart() -> None:
    text = markdown(HEADING, [row()], {"a": "A"})
    assert "largest batch and image are simulated; ms and images/s are predicted." in text
    assert "four of five measured steps lay within -20 % and +20 %; 90 % of the time rests on" in text


def test_names_of_others_are_text() -> None:
    rows = [row(warnings=[HOSTILE], advice=[ADVICE])]
    text = markdown({"title": HOSTILE}, rows, {"a": HOSTILE})
    for active in ("<img", "[click](", "\x1b", "`code`", "_all_"):
        assert re.search(rf"(?<!\\){re.escape(active)}", text) is None, active
    card = next(line for line in text.splitlines() if line.startswith("| a\\|b"))
    assert len(_cells(card)) == 7


def test_escapes() -> None:
    assert escaped("vit_base_patch16_224") == "vit_base_patch16_224"
    assert escaped("_x_ *y* http://z.org www.z.org") == r"\_x\_ \*y\* http:\//z.org www\.z.org"
    assert escaped("two\nlines") == "two lines"


def test_a_table_says_how_its_columns_are_aligned() -> None:
    assert list(table(("a", "b"), [("1|", "2")])) == ["| a | b |", "| :-- | --: |", r"| 1\| | 2 |"]
