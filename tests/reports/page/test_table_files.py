"""Tables as CSV and LaTeX."""

import re
from pathlib import Path

import pandas as pd
import pytest

from reports.document import build_tables
from reports.page.page import write_page
from reports.page.table_files import named, write_tables
from reports.page.wide_tables import flat_frame, headings, wide_table
from reports.records import frame_of
from reports.tables import Table
from tests.reports.conftest import Record
from tests.reports.hostile import HOSTILE, is_plain


def test_csv_holds_each_table_whole(records: list[Record], tmp_path: Path) -> None:
    tables = build_tables(frame_of(records))
    write_page(records, tmp_path, tables)
    for name, table in named(tables):
        read = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False)
        expected = [[cell.replace("–", "") for cell in row] for row in table.cells.to_numpy().tolist()]
        digits = [[re.sub(r"(?<=\d) (?=\d{3}\b)", "", cell) for cell in row] for row in expected]
        assert read.to_numpy().tolist() == digits
        assert len(set(read.columns)) == len(table.columns)


def test_programs_can_read_the_figures_of_a_csv(tmp_path: Path) -> None:
    table = Table("a", "", [("Method", ["1 000", "–"]), ("MiB", ["1 234 567", "–"]), ("diff", ["-1 000.5", "+2.0"])])
    write_tables([("a", table)], tmp_path)
    assert (tmp_path / "a.csv").read_text().splitlines() == ["Method,MiB,MiB: diff", "1 000,1234567,-1000.5", "–,,+2.0"]


def test_matrices_as_csv(records: list[Record], tmp_path: Path) -> None:
    write_page(records, tmp_path, [])
    read = pd.read_csv(tmp_path / "fits.csv", dtype=str)
    assert len(read) == 4 * 5  # methods and settings
    coco = read[read["Setting"] == "COCO, swin_large, 2 images of 800 x 1344"].set_index("Method")
    assert coco.loc["E3VA (fused)", "GiB needed"] == "15.6"
    assert coco.loc["E3VA (fused)", "rtx-3090-24gb, GiB left"] == "fits 6.8"
    assert coco.loc["E3VA (fused)", "gtx-1080ti-11gb, GiB left"] == "out of memory -5.9"
    assert not (tmp_path / "step-times.csv").exists()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(tmp_path: Path, text: str) -> None:
    table = Table(text, text, [(text, [text, "+1.5"]), (text, [text, "-2"]), ("c", ["1", "2"])])
    write_tables([("a", table)], tmp_path)
    csv, latex = ((tmp_path / f"a.{ending}").read_text(encoding="utf-8") for ending in ("csv", "tex"))
    assert is_plain(csv) and is_plain(latex)
    assert len(csv.splitlines()) == 3
    cells = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    assert cells.iloc[1].tolist() == ["+1.5", "-2", "2"]
    assert not [cell for cell in [*cells.iloc[0], *cells.columns] if re.match(r"[=@+]|-(?!\d)", cell)]
    rules = r"\\(begin\{tabular\}\{lrr\}|toprule|midrule|bottomrule|end\{tabular\})"
    body = re.sub(r"\\(text\w+( |\{\}|\\space )|space |[&%$#_{}]|\\)", "", re.sub(rules, "", latex))
    assert not re.search(r"\\\w|[$#_^~%]", body.replace("\\\\", "")), body


def test_headings_on_two_levels() -> None:
    """What repeats, or says nothing alone, belongs to the column before it."""
    found = headings(["Method", "p100", "paper", "v100", "paper", "reserved MiB"])
    assert [(heading.group, heading.name) for heading in found] == [
        ("", "Method"), ("p100", "ours"), ("p100", "paper"), ("v100", "ours"), ("v100", "paper"), ("", "reserved MiB"),
    ]  # fmt: skip


def test_what_the_paper_has_in_percent_of_full_says_so() -> None:
    found = headings(["Method", "params M", "paper", "vs Full %", "paper", "VOC ms", "% of Full", "paper", "points"])
    assert [heading.name for heading in found] == [
        "Method", "ours", "paper", "vs Full %", "vs Full %, paper", "ours", "% of Full", "% of Full, paper", "points",
    ]  # fmt: skip


def test_the_leading_column_of_each_group_is_shown_first() -> None:
    found = headings(["Method", *(text for task in "abcde" for text in (task, "paper", "points"))])
    shown = [heading.name for heading in found if heading.is_shown]
    assert shown == ["Method", *["ours", "paper"] * 2, *["ours"] * 3]


def test_files_have_the_numbers_of_their_tables() -> None:
    titles = ["Table 3. Training time", "Table 3 predicted. VOC, swin_large", "../../x", "Table 3. Again", "\n\ud800"]
    assert [name for name, _ in named(Table(title, "", []) for title in titles)] == [
        "table-3", "table-3-predicted-voc-swin-large", "table-x", "table-3-again", "table-",
    ]  # fmt: skip


def test_no_heading_of_a_file_is_there_twice() -> None:
    texts = ["Method", "a", "paper", "paper", "a", "b"]
    frame = flat_frame(Table("", "", [(text, ["1"]) for text in texts]))
    assert len(set(frame.columns)) == 6


def test_columns_without_a_figure_make_way_on_screen() -> None:
    columns = [(f"c{number}", ["–", "–"] if number in (1, 2) else ["1", "–"]) for number in range(10)]
    found = wide_table(Table("a", "", columns), "a").headings
    assert [heading.name for heading in found if not heading.is_shown] == ["c1", "c2"]
    assert [heading.name for heading in found if heading.is_empty] == ["c1", "c2"]


def test_the_papers_figures_lead_a_group_without_ours() -> None:
    groups = [column for task in "abcdefg" for column in ((task, ["–"]), ("paper", ["1"]), ("points", ["2"]))]
    found = wide_table(Table("a", "", [("Method", ["Full"]), *groups]), "a").headings
    assert [heading.name for heading in found if heading.leads] == ["Method", *["paper"] * 7]
    assert [heading.is_shown for heading in found] == [True, *[False, True, False] * 7]
