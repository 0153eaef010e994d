"""Figure 1: the paper's numbers out of its tables, ours beside them, and the picture."""

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from reports.paper import paradigms_plot
from reports.paper.paradigms import PARADIGMS, panels, paradigms_table
from reports.paper.paradigms_plot import paradigms
from reports.records import frame_of
from tests.reports.conftest import Record

PUBLISHED = {
    ("parameters", "voc"): (100.0, 2.35, 0.92),
    ("parameters", "ade20k"): (100.0, 2.35, 0.92),
    ("parameters", "coco"): (100.0, 3.59, 1.38),
    ("memory", "voc"): (100.0, 68.84, 30.74),
    ("memory", "coco"): (100.0, 73.60, 44.77),
    ("time", "voc"): (100.0, 76.67, 56.67),
    ("time", "ade20k"): (100.0, 87.76, 79.59),
    ("time", "coco"): (100.0, 93.83, 85.19),
}
"""Hundred and the deltas to Full of the paper's Tables 1 and 2, for Full, Adapter and E3VA; Table 3 as it stands."""


@pytest.fixture
def lines(record: Callable[..., Record]) -> list[Record]:
    """Three ways to train on three tasks: a tenth of the parameters, half the memory and so on."""
    found = []
    for task, backbone in (("voc", "swin_large"), ("ade20k", "swin_large"), ("coco", "swin_base")):
        figures = {
            "full": (10**8, 10_000, 400.0),
            "adapter": (10**7, 8000, 300.0),
            "e3va-reference": (10**6, 3000, 200.0),
        }
        for method, (params, mib, step_ms) in figures.items():
            line = record(task, backbone, method, reserved_mib=mib, params=params)
            found.append(line | {"predicted_time": {"v100-32gb": {"step_ms": step_ms, "scaled": False}}})
    return found


def test_the_papers_numbers_come_from_its_tables(lines: list[Record]) -> None:
    for panel in panels(frame_of(lines)):
        for bar in panel.bars:
            expected = PUBLISHED.get((panel.title, bar.task))
            if expected is None:
                assert (panel.title, bar.task) == ("memory", "ade20k") and math.isnan(bar.paper)
            else:
                assert bar.paper == pytest.approx(expected[list(PARADIGMS).index(bar.key)])


def test_ours_are_percent_of_full(lines: list[Record]) -> None:
    expected = {"parameters": (100, 10, 1), "memory": (100, 80, 30), "time": (100, 75, 50)}
    found = {panel.title: [bar.ours for bar in panel.bars] for panel in panels(frame_of(lines))}
    assert found == {title: pytest.approx(values * 3) for title, values in expected.items()}


def test_the_table_has_both(lines: list[Record]) -> None:
    table = paradigms_table(frame_of(lines))
    assert table is not None
    assert table.cells.iloc[2].tolist() == ["E3VA-tuning", "VOC", "1.00", "0.92", "30.0", "30.7", "50.0", "56.7"]
    assert table.cells.iloc[4].tolist() == [
        "adapter-tuning",
        "ADE20K",
        "10.00",
        "2.35",
        "80.0",
        "–",
        "75.0",
        "87.8",
    ]


def test_only_the_papers_form_stands_for_it(lines: list[Record], record: Callable[..., Record]) -> None:
    fused = record("voc", "swin_large", "e3va", reserved_mib=1000)
    assert panels(frame_of([*lines, fused])) == panels(frame_of(lines))
    only_fused = [lines[0], fused]
    assert panels(frame_of(only_fused)) == []


def test_runs_and_rules_of_years_ago_are_left_out(lines: list[Record], record: Callable[..., Record]) -> None:
    others = [
        record("voc", "swin_large", method, reserved_mib=5000, **{name: value})
        for method in ("full", "fixed", "norm_tuning", "adapter", "e3va-reference")
        for name, value in (("batches", 4), ("profile", "mm-2021"))
    ]
    assert panels(frame_of([*lines, *others])) == panels(frame_of(lines))


def test_nothing_to_compare_is_no_picture(tmp_path: Path, record: Callable[..., Record]) -> None:
    for lines in ([], [record("voc", "swin_large", "full", reserved_mib=10)]):
        assert not paradigms(frame_of(lines), tmp_path / "a.png")
        assert paradigms_table(frame_of(lines)) is None
    assert list(tmp_path.iterdir()) == []


def test_in_the_picture_no_text_meets_another_or_is_cut(
    lines: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(paradigms_plot, "save", lambda figure, path: drawn.append(figure))
    assert paradigms(frame_of(lines), tmp_path / "a.png")
    (figure,) = drawn
    figure.canvas.draw()
    window = figure.bbox
    boxes = [
        (text.get_text(), text.get_window_extent())
        for axis in figure.axes
        for text in [*axis.texts, axis.title, axis.xaxis.label, *axis.get_xticklabels(), *axis.get_yticklabels()]
        if text.get_text() and text.get_visible()
    ]
    boxes += [(text.get_text(), text.get_window_extent()) for text in figure.legends[0].get_texts()]
    plt.close(figure)
    assert len(boxes) > 60
    for number, (name, box) in enumerate(boxes):
        assert window.x0 <= box.x0 and box.x1 <= window.x1 and window.y0 <= box.y0 and box.y1 <= window.y1, name
        for other, other_box in boxes[number + 1 :]:
            assert not box.overlaps(other_box), (name, other)
