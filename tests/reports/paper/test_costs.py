"""The table of costs, by arithmetic."""

from typing import Any

from reports.paper.costs import cost_tables
from reports.records import frame_of
from tests.reports.conftest import MIB, Record

TERA = 10**12


def _cost(factor: float) -> dict[str, Any]:
    of_backbone = {
        "stored_bytes": 700 * MIB, "saved_bytes": 9000 * MIB, "forward_flops": 2 * TERA, "backward_flops": 4 * TERA,
    }  # fmt: skip
    cost = {f"backbone_{field}": int(value * factor) for field, value in of_backbone.items()}
    return cost | {
        field: int(value * factor) + 10 * (MIB if "bytes" in field else TERA) for field, value in of_backbone.items()
    }


def _with_costs(records: list[Record]) -> list[Record]:
    factors = {"full": 1.0, "fixed": 0.0, "norm_tuning": 0.5, "e3va-reference": 0.1, "e3va": 0.05}
    return [
        line | {"cost": _cost(factors[line["case"]["method"]])} if line["case"]["engine"] == "simulate" else line
        for line in records
    ]


def test_a_table_per_task_with_figures_of_the_backbone_and_the_model(records: list[Record]) -> None:
    tables = cost_tables(frame_of(_with_costs(records)))
    titles = ["VOC, swin_large", "ADE20K, swin_large", "COCO, swin_base"]
    assert [table.title for table in tables] == [f"What a method stores, keeps and computes. {end}" for end in titles]
    headings = [heading for heading, _ in tables[0].columns]
    assert headings[:4] == ["Method", "stored MiB", "% of Full", "with heads"] and len(headings) == 13
    rows = {row[0]: row[1:] for row in tables[0].cells.values.tolist()}
    assert rows == {
        "Full": [
            "700.00", "100.0", "710.00", "9 000", "100.0", "9 010", "4.000", "100.0", "14.000", "2.000", "100.0",
            "12.000",
        ],
        "Fixed": ["0.00", "0.0", "10.00", "0", "0.0", "10", "0.000", "0.0", "10.000", "0.000", "0.0", "10.000"],
        "Norm-Tuning": [
            "350.00", "50.0", "360.00", "4 500", "50.0", "4 510", "2.000", "50.0", "12.000", "1.000", "50.0", "11.000",
        ],
        "E3VA": ["70.00", "10.0", "80.00", "900", "10.0", "910", "0.400", "10.0", "10.400", "0.200", "10.0", "10.200"],
        "E3VA, fused (ours)": [
            "35.00", "5.0", "45.00", "450", "5.0", "460", "0.200", "5.0", "10.200", "0.100", "5.0", "10.100",
        ],
    }  # fmt: skip


def test_only_the_tasks_that_are_asked_for(records: list[Record]) -> None:
    assert [table.title[-9:] for table in cost_tables(frame_of(_with_costs(records)), ["coco"])] == ["swin_base"]


def test_results_of_earlier_versions_have_no_costs(records: list[Record]) -> None:
    assert cost_tables(frame_of(records)) == []
    assert cost_tables(frame_of([])) == []


def test_a_result_that_lacks_a_figure_has_none(records: list[Record]) -> None:
    lines = [line | {"cost": {"stored_bytes": MIB}} for line in records]
    table, *_ = cost_tables(frame_of(lines))
    assert table.cells.iloc[0].tolist()[:5] == ["Full", "–", "–", "1.00", "–"]
