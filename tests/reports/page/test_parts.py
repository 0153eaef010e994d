"""Captions, answers and the scale of pictures."""

from typing import Any

import pytest

from reports.escaping import markdown_cell
from reports.page.batches import case_of, largest_batches
from reports.page.captions import Piece, pieces
from reports.page.outcomes import figure
from reports.page.scatter import _inside, _ticks
from tests.reports.hostile import HOSTILE


def test_a_caption_keeps_its_looks() -> None:
    assert pieces("**Measured** on a `cpu`, *retries* and a\\*b &lt;c>") == [
        Piece("Measured", "strong"), Piece(" on a ", ""), Piece("cpu", "code"), Piece(", ", ""),
        Piece("retries", "em"), Piece(" and a*b <c>", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_an_escaped_name_in_a_caption_is_that_name(text: str) -> None:
    escaped = markdown_cell(text)
    found = pieces(f"**Simulated**: {escaped}.")
    assert [piece.tag for piece in found] == ["strong", ""]
    assert markdown_cell(found[1].text) == markdown_cell(f": {text.strip()}." if text.strip() else ": .")


@pytest.mark.parametrize("most", [1e-9, 0.3, 1.0, 7.0, 39.8, 99.6, 1400.0, 3e9])
def test_ticks_are_round_and_few(most: float) -> None:
    ticks = _ticks(most)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] == 0 and ticks[-1] <= most * 1.06


def test_labels_stay_in_the_picture() -> None:
    assert _inside([200.0, 216.0, 260.0], 240) == [192.0, 208.0, 252.0]
    assert _inside([2.0, 18.0], 240) == [12.0, 28.0]


@pytest.mark.parametrize("value", [None, True, "5", float("nan"), float("inf"), -1, 10**400, [], {}])
def test_what_is_no_figure(value: object) -> None:
    assert figure(value) is None


def _row(method: str, batch_size: int, **verdicts: str) -> dict[str, Any]:
    fits = {card: {"verdict": verdict} for card, verdict in verdicts.items()}
    return {"task": "voc", "engine": "simulate", "method": method, "batch_size": batch_size, "window": 7, "fits": fits}


def test_the_largest_batch_of_those_that_are_known() -> None:
    rows = [
        _row("full", 1, small="fits", large="fits"),
        _row("full", 2, small="oom", large="fits_with_retries"),
        _row("full", 4, small="oom", large="fits", new="fits"),
        _row("lora", 1, small="oom"),
        _row("lora", 2, small="oom"),
        _row("fixed", 2, small="fits"),
    ]
    names = ["batch_size", "window"]
    found = largest_batches(rows, names)
    assert found[case_of(rows[0], names)] == {"small": "1", "large": "4+", "new": "4+"}
    assert found[case_of(rows[3], names)] == {}
    assert case_of(rows[5], names) not in found  # one size alone says nothing
    assert largest_batches([{**rows[0], "batch_size": "many"}], names) == {}
