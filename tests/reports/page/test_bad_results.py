"""A page of results that somebody made to harm its readers, or that lack what most have, or that are many."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.document import build_tables
from reports.page.page import FILE_NAME, page, write_page
from reports.records import frame_of
from tests.reports.conftest import MIB, Record
from tests.reports.hostile import HOSTILE
from tests.reports.page.conftest import METHODS
from tests.reports.page.html_reader import assert_harmless, read
from tests.reports.page.pages import page_of, rows_of
from tests.reports.test_hostile_results import CHECK, LACKING, STEP_CHECK, _spoiled


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_results_file_is_text_of_the_page(records: list[Record], tmp_path: Path, text: str) -> None:
    spoiled = _spoiled(records, text)
    for entry in spoiled:
        entry["case"] |= {"precision": text, "profile": text}
        if entry["memory"]:
            entry["memory"]["at_peak"][text] = 5
    spoiled[0]["case"]["method"] = text
    root = page_of(spoiled, [{**CHECK, "id": text, "group": text, "quantity": text}], [{**STEP_CHECK, "card": text}])
    assert "Cases that failed" in [heading.text for heading in root.all("h2")]


def test_names_are_shown_as_they_are(record: Callable[..., Record]) -> None:
    text = "<b>&lt; ](x) _z_ * \\"
    root = page_of([record("voc", "swin_large", text, reserved_mib=5000)])
    assert list(rows_of(root.one("table", "matrix"))) == [text]
    assert f"{text} needs the least memory: 4.9 GiB." in [line.text for line in root.all("p")]


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize("which", ["all", "the first", "all but the first"])
def test_results_that_lack_something(records: list[Record], lacking: str, which: str) -> None:
    for entry in {"all": records, "the first": records[:1], "all but the first": records[1:]}[which]:
        LACKING[lacking](entry)
    root = read(page(records, []))  # how tables bear it is tested where they are built
    assert_harmless(root)
    assert not re.search(r"\b(nan|None|inf)\b", root.one("main").text)


def _only(change: Callable[[Record], object]) -> Callable[[list[Record]], list[Record]]:
    def changed(records: list[Record]) -> list[Record]:
        for entry in records:
            change(entry)
        return records

    return changed


def _as_measured(entry: Record) -> None:
    entry["case"]["engine"] = "cuda"
    entry |= {"fits": {}, "time": {"step_ms": {"median": 5.0, "p10": 4.0, "p90": 6.0, "samples": [5.0]}}}


SOME: dict[str, Callable[[list[Record]], list[Record]]] = {
    "nothing": lambda records: [],
    "one task": lambda records: [entry for entry in records if entry["case"]["task"] == "voc"],
    "one result": lambda records: records[:1],
    "a GPU's alone": _only(_as_measured),
    "a CPU's alone": lambda records: [entry for entry in records if entry["case"]["engine"] == "cpu"],
    "failures alone": _only(lambda entry: entry.update(status="error", message="no", memory=None, time=None, fits={})),
    "out of memory alone": _only(lambda entry: entry.update(status="oom", memory=None, time=None, fits={})),
    "without Full": lambda records: [entry for entry in records if entry["case"]["method"] != "full"],
    "many cards": _only(lambda entry: entry.update(fits={str(card): {"verdict": "fits"} for card in range(300)})),
}


@pytest.mark.parametrize("some", SOME)
def test_some_results_alone(records: list[Record], tmp_path: Path, some: str) -> None:
    chosen = SOME[some](records)
    tables = build_tables(frame_of(chosen))
    root = read(write_page(chosen, tmp_path, tables).read_text(encoding="utf-8"))
    assert_harmless(root)
    assert root.one("h1").text == "Which way of fine-tuning fits my GPU, and what does it cost?"
    assert not re.search(r"\b(nan|None|inf)\b", root.one("main").text)
    linked = {link.attributes["href"] for link in root.all("a")}
    assert linked | {FILE_NAME} == {path.name for path in tmp_path.iterdir()}


def test_an_out_of_memory_a_zero_and_a_missing_figure_differ(record: Callable[..., Record]) -> None:
    known, oom, missing = (record("voc", "swin_large", method, reserved_mib=10_000) for method in METHODS[:3])
    oom |= {"status": "oom", "memory": {"peak_reserved_bytes": 5 * MIB}, "fits": {}}
    missing |= {"memory": None, "fits": {}}
    rows = rows_of(page_of([known, oom, missing]).one("table", "matrix"))
    assert [[cell.text for cell in cells[:2]] for cells in rows.values()] == [
        ["9.8", "✓fits 0.0"], ["OOM", "–no figure"], ["–", "–no figure"],
    ]  # fmt: skip


def test_five_hundred_results_take_little_time(records: list[Record], tmp_path: Path) -> None:
    """It takes about a second; a page that is quadratic in the results would take minutes."""
    many = [
        {**entry, "case": {**entry["case"], "seed": seed}}
        for seed in range(500 // len(records) + 1)
        for entry in records
    ]
    started = time.process_time()
    write_page(many, tmp_path, build_tables(frame_of(records)))
    assert time.process_time() - started < 30
    settings = read((tmp_path / FILE_NAME).read_text()).all("details", "setting")
    assert len(settings) == 6 * (500 // len(records) + 1)
