"""Every figure of `reports/published` has its place in the report, beside one of ours or a line that says why not."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd
import pytest

from bench.cases.paper_grids import AS_PUBLISHED
from reports.cells import MISSING, number, signed, text
from reports.document import build_tables
from reports.page.wide_tables import flat_frame
from reports.paper.absent import UNMATCHED, unmatched_figures
from reports.records import PUBLISHED, frame_of
from reports.tables import Table
from tests.reports.conftest import Record

LARGE = " (Swin-L)"
OTHERS = {"mmsegmentation_upernet_swin", "mmdetection_retinanet_resnet"}
"""Not the paper's: `python -m bench validate` compares with them."""
VARIANTS = {
    "E3VA low-rank": "dual low-rank, parallel (E3VA)",
    "E3VA parallel": "dual low-rank, parallel (E3VA)",
    "E3VA standard adapter (mid 32)": "standard adapter",
    "E3VA stacked": "stacked",
    "Inherited reduction": "inherited reduction, trained norms (E3VA)",
    "Trainable reduction": "trained reduction",
}
"""Row of Tables 5 and 6 as published -> ours."""


@dataclass(frozen=True)
class Place:
    """Where the figures of a published column stand."""

    heading: str
    """A pattern for the heading on one level, as files have it."""
    digits: int | None
    """None for words."""
    ours: str = ""
    """A pattern for the heading of our figures; "" where there can be none."""
    has_sign: bool = False

    def written(self, value: object) -> str:
        if self.digits is None:
            return text([value])[0]
        return (signed if self.has_sign else number)([value], self.digits)[0]


def _relative(what: str) -> Place:
    return Place(f"{what}: vs Full %, paper", 2, f"{what}: vs Full %", True)


def _accuracy(what: str, digits: int) -> tuple[Place, Place]:
    shown = Place(f"{what}: paper", digits, what)
    return shown, Place(f"{what}: vs Full, paper", digits, f"{what}: vs Full", has_sign=True)


BOX, MIOU = _accuracy("VOC AP box", 1), _accuracy("ADE20K mIoU", 2)
COCO_BOX, COCO_MASK = _accuracy("AP box", 1), _accuracy("AP mask", 1)
PLACES: dict[str, tuple[str, dict[str, Place]]] = {
    "table1_voc_ade20k_swin_large": ("Table 1.", {
        "trained_params_m": Place("params M: paper", 2, "params M"), "params_delta_full_pct": _relative("params M"),
        "memory_voc_mb": Place("VOC MiB: paper MB", 0, "VOC MiB"), "memory_delta_full_pct": _relative("VOC MiB"),
        "extra_structure": Place("extra structure, paper", None), "voc_ap_box_pct": BOX[0],
        "voc_delta_full_pct": BOX[1], "ade20k_miou_pct": MIOU[0], "ade20k_delta_full_pct": MIOU[1],
    }),
    "table2_coco_swin_base": ("Table 2.", {
        "trained_params_m": Place("params M: paper", 2, "params M"), "params_delta_full_pct": _relative("params M"),
        "memory_mb": Place("COCO MiB: paper MB", 0, "COCO MiB"), "memory_delta_full_pct": _relative("COCO MiB"),
        "extra_structure": Place("extra structure, paper", None), "ap_box_pct": COCO_BOX[0],
        "ap_box_delta_full_pct": COCO_BOX[1], "ap_mask_pct": COCO_MASK[0], "ap_mask_delta_full_pct": COCO_MASK[1],
    }),
    "table3_training_time": ("Table 3.", {
        column: place
        for task, name in (("voc", "VOC"), ("ade20k", "ADE20K"), ("coco", "COCO"))
        for column, place in (
            (f"{task}_hours", Place(f"{name} .*hours, paper", 0)),
            (f"{task}_pct_full", Place(f"{name} .*% of Full, paper", 1, f"{name} .*% of Full")),
        )
    }),
    "table4_gpu_trainability_swin_large_cascade": ("Table 4.", {
        card.replace("-", "_"): Place(f"{card}: paper", None, card)
        for card in ("gtx-1080ti-11gb", "p100-16gb", "rtx-3090-24gb", "v100-32gb")
    }),
    "table5_ablation_structure_voc": ("Table 5.", {
        "parameters_m": Place("params M, paper", 2, "params M"),
        "inference_batches_per_s": Place("batches/s of inference, paper", 1, ".*images/s of inference"),
        "ap_box_pct": BOX[0],
    }),
    "table6_ablation_downsampling_fpn": ("Table 6.", {
        "coco_ap_box_pct": Place("COCO AP box: paper", 1, "COCO AP box"), "ade20k_miou_pct": MIOU[0],
        "voc_ap_box_pct": BOX[0],
    }),
    "authors_logs": ("Trained parameters in the authors' logs", {
        "trained_backbone_params": Place("log", 0, "ours"),
    }),
}  # fmt: skip
"""Published table -> the title of ours, and the place of each of its columns."""
VARIANTS_OF_E3VA = ("e3va-standard", "e3va-stacked", "e3va-trained-merging", "e3va-frozen-norms")
NAMES_OF_ROWS = {"method", "backbone", "batch_size_per_gpu", "variant", "task", "file"}


@pytest.fixture
def tables(record: Callable[..., Record], evaluation: Callable[..., Record]) -> list[Table]:
    """The report of results of everything that the paper has."""
    lines = []
    for method in AS_PUBLISHED:
        lines += [record(task, "swin_large", method, reserved_mib=9000) for task in ("voc", "ade20k")]
        lines.append(record("coco", "swin_base", method, reserved_mib=9000))
        lines += [record("coco", "swin_large", method, reserved_mib=9000, batch_size=size) for size in (1, 2)]
        lines += [record(task, "swin_tiny", method, step_ms=10.0) for task in ("voc", "ade20k", "coco")]
    for method in VARIANTS_OF_E3VA:
        lines += [record(task, "swin_large", method, reserved_mib=9000) for task in ("voc", "ade20k")]
        lines.append(record("voc", "swin_tiny", method, step_ms=1.0))
    for line in lines:
        if line["time"]:
            ratio = {"median": 0.5, "p10": 0.5, "p90": 0.5, "low": 0.5, "high": 0.5}
            line["time"]["inference_ms"] = {"median": 5.0, "p10": 5.0, "p90": 5.0}
            line["time"]["relative_to"] = {"method": "full", "ratio": ratio, "inference_ratio": ratio}
    evaluations = [
        evaluation(task, backbone, method, seed)
        for task, backbone in (
            ("voc", "swin_large"),
            ("ade20k", "swin_large"),
            ("coco", "swin_base"),
            ("coco", "swin_large"),
        )
        for method in (*AS_PUBLISHED, *VARIANTS_OF_E3VA)
        for seed in (0, 1)
    ]
    return build_tables(frame_of(lines), evaluations=evaluations)


def _published() -> Iterator[tuple[str, pd.DataFrame]]:
    for path in sorted(PUBLISHED.glob("*.csv")):
        if path.stem not in OTHERS:
            yield path.stem, pd.read_csv(path)


def test_each_published_column_is_known() -> None:
    columns = {name: set(table.columns) - NAMES_OF_ROWS for name, table in _published()}
    assert {name: set(places) for name, (_, places) in PLACES.items()} == columns


def test_each_published_figure_stands_in_its_row(tables: list[Table]) -> None:
    shown = 0
    for name, published in _published():
        title, places = PLACES[name]
        frame = _table(tables, title)
        for row in published.to_dict("records"):
            (cells,) = frame[_is_row(frame, row)].to_dict("records")
            for column, place in places.items():
                if not pd.isna(row[column]):
                    assert _cell(cells, place.heading) == place.written(row[column]), (name, row, column)
                    shown += 1
    assert shown > 300


def test_ours_stand_beside_them_or_a_line_says_why_not(tables: list[Table]) -> None:
    unmatched = {(name, column) for group in UNMATCHED for name, columns in group.columns.items() for column in columns}
    assert unmatched == {
        (name, column) for name, (_, places) in PLACES.items() for column, place in places.items() if not place.ours
    }
    for name, (title, places) in PLACES.items():
        frame = _table(tables, title)
        for column, place in places.items():
            if not place.ours:
                continue
            for cells in frame.to_dict("records"):
                # Table 2 has no Full on Swin-L with which ours could be compared; Full is not compared with itself.
                is_full = cells[frame.columns[0]] == "Full" and place.ours.endswith(": vs Full")
                if not is_full and not (cells[frame.columns[0]].endswith(LARGE) and "vs Full" in place.ours):
                    assert _cell(cells, place.ours) != MISSING, (name, column, cells)


def test_the_lines_are_there_where_a_table_of_the_paper_is(tables: list[Table]) -> None:
    assert unmatched_figures(tables) == [group.line for group in UNMATCHED]
    others = [
        Table(title, "", []) for title in ("What the paper leaves open about E3VA", "Table 4 under its probable rules")
    ]
    assert unmatched_figures(others) == []


def test_a_line_says_which_accuracies_nobody_trained_for(
    record: Callable[..., Record], evaluation: Callable[..., Record]
) -> None:
    lines = [record(task, "swin_large", "full", reserved_mib=9000) for task in ("voc", "ade20k")]
    lines.append(record("coco", "swin_base", "full", reserved_mib=9000))
    trained = evaluation("voc", "swin_large", "full")
    for evaluations, said in (
        ([], "Table 1: VOC, ADE20K; Table 2: COCO"),
        ([trained], "Table 1: ADE20K; Table 2: COCO"),
    ):
        line, *_ = unmatched_figures(build_tables(frame_of(lines), evaluations=evaluations))
        assert line.startswith("AP and mIoU are accuracies after a whole training on the data sets.")
        assert line.endswith(f"was evaluated here ({said}).")


def _table(tables: list[Table], title: str) -> pd.DataFrame:
    return flat_frame(next(table for table in tables if table.title.startswith(title)))


def _cell(cells: dict[str, str], heading: str) -> str:
    (found,) = (cell for name, cell in cells.items() if re.fullmatch(heading, str(name)))
    return found


def _is_row(frame: pd.DataFrame, row: dict[str, object]) -> pd.Series:
    label = str(VARIANTS[str(row["variant"])] if "variant" in row else row["method"])
    if row.get("backbone") == "swin_large" and "task" not in row:
        label += LARGE
    found = frame.iloc[:, 0] == label
    size = row.get("batch_size_per_gpu")
    return found if size is None else found & (frame["images per GPU"] == str(size))
