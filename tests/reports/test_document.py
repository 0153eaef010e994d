from pathlib import Path

import pytest

from reports.document import build_tables, write_report
from reports.records import frame_of

GOLDEN = Path(__file__).with_name("golden_report.md")


def test_layout_is_the_golden_one(records, tmp_path: Path) -> None:
    document = write_report(records, tmp_path)
    assert document == tmp_path / "report.md"
    assert document.read_text() == GOLDEN.read_text()
    for picture in ("memory_vs_parameters.png", "breakdown.png", "trainability.png"):
        assert (tmp_path / picture).stat().st_size > 10_000


def test_failed_cases_are_named_and_not_shown_as_figures(records, record, tmp_path: Path) -> None:
    failed = record("voc", "swin_large", "lora", status="error", message="RuntimeError: the sky fell")
    text = write_report([*records, failed], tmp_path).read_text()
    assert "## Cases that failed\n\n- voc swin_large lora: RuntimeError: the sky fell" in text
    (row,) = {line for line in text.splitlines() if line.startswith("| LoRA ") and "10 127" in line}
    assert [cell.strip() for cell in row.split("|")][2:8] == ["–", "4.57", "–", "–", "-97.70", "–"]


def test_variants_and_rivals_are_not_among_the_papers_methods(records, record) -> None:
    plain = [table.to_markdown() for table in build_tables(frame_of(records), [2])]
    lines = [record("coco", "swin_base", method, reserved_mib=1_000) for method in ("e3va-stacked", "lst")]
    assert build_tables(frame_of([*records, *lines]), [2])[0].to_markdown() == plain[0]


def test_a_name_alone_makes_no_form(records, record) -> None:
    own = record("coco", "swin_base", "my-reference", reserved_mib=1_000)
    table, *_ = build_tables(frame_of([*records, own]), [2])
    assert "my-reference" in table.cells["Method"].tolist()


def test_tables_without_results_are_named(records, tmp_path: Path) -> None:
    lines = [line for line in records if line["case"]["backbone"] == "swin_large"]
    text = write_report(lines, tmp_path).read_text()
    missing = text.partition("## Tables of the paper that are missing here\n\n")[2].partition("\n\n")[0].splitlines()
    assert [line[:9] for line in missing] == ["- Table 2", "- Table 3", "- Table 5", "- Table 6"]


def test_nothing_measured_is_said_so(tmp_path: Path) -> None:
    assert "No results yet." in write_report([], tmp_path).read_text()
    assert list(tmp_path.iterdir()) == [tmp_path / "report.md"]


def test_only_the_tables_asked_for(records, tmp_path: Path) -> None:
    text = write_report(records, tmp_path, [4]).read_text()
    assert "## Table 4." in text
    assert "## Table 1." not in text


def test_a_folder_that_cannot_be_written(records, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write the report to .*file"):
        write_report(records, tmp_path / "file")


def test_predicted_times_stand_before_those_of_a_cpu(records, record) -> None:
    full, e3va = (record("voc", "swin_large", method, reserved_mib=1_000) for method in ("full", "e3va"))
    full["predicted_time"], e3va["predicted_time"] = {"v100-32gb": {"step_ms": 9.0}}, {"v100-32gb": {"step_ms": 3.0}}
    titles = [table.title for table in build_tables(frame_of([*records, full, e3va]), [2, 3, 4])]
    place = titles.index("Table 3. Training time")
    assert titles[place - 1] == "Table 3 predicted. VOC, swin_large"
    assert titles[place + 1].startswith("Table 4.")
