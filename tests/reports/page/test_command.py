"""`python -m bench report` writes the page beside the report."""

import json
from pathlib import Path

from bench.commands.cli import main
from tests.reports.conftest import Record
from tests.reports.page.html_reader import assert_harmless, read


def test_a_report_has_its_page_and_the_files_of_its_tables(records: list[Record], tmp_path: Path, capsys) -> None:
    stored, out = tmp_path / "stored.jsonl", tmp_path / "out"
    stored.write_text("".join(json.dumps(entry) + "\n" for entry in records))
    assert main(["report", str(stored), "--out", str(out)]) == 0
    root = read((out / "report.html").read_text(encoding="utf-8"))
    assert_harmless(root)
    assert {link.attributes["href"] for link in root.all("a")} <= {path.name for path in out.iterdir()}
    assert f"as a page {out / 'report.html'}" in capsys.readouterr().out
