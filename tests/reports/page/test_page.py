"""The page by arithmetic: matrix, sentences, pictures and tables."""

from collections.abc import Callable

import pytest

from reports.document import build_tables
from reports.records import frame_of
from tests.reports.conftest import GPUS, Record
from tests.reports.page.conftest import METHODS
from tests.reports.page.html_reader import Element
from tests.reports.page.pages import page_of, rows_of

E3VA = "E3VA (fused)"
SETTING_OF_COCO = "COCO, swin_large, 2 images of 800 x 1344"


def _setting(root: Element, title: str) -> Element:
    return next(found for found in root.all("details", "setting") if found.one("summary").text.startswith(title))


def test_the_matrix_has_the_headroom_of_each_method_on_each_card(records: list[Record]) -> None:
    """Full of COCO needs 40 800 MiB, Norm-Tuning 28 000, E3VA 16 000, Fixed 8000; one image half of it."""
    setting = _setting(page_of(records), SETTING_OF_COCO)
    table = setting.one("table", "matrix")
    names = [head.text.split()[0] for head in table.one("thead").all("th")]
    assert names == ["Method", "GiB", *sorted(GPUS, key=GPUS.get)]
    rows = {name: [cell.text for cell in cells] for name, cells in rows_of(table).items()}
    assert list(rows) == ["Full", "Fixed", "Norm-Tuning", E3VA]
    assert rows["Full"] == [
        "39.8",
        *(f"✕out of memory −{(40_800 - usable) / 1024:.1f}" for usable in (10_000, 15_600)),
        *(f"✕out of memory −{(40_800 - usable) / 1024:.1f} ×1" for usable in (23_000, 31_000)),
    ]
    assert rows[E3VA] == [
        "15.6", "✕out of memory −5.9 ×1", "≈fits after retries 0.0 ×2+", "✓fits 6.8 ×2+", "✓fits 14.6 ×2+",
    ]  # fmt: skip
    assert rows["Fixed"][1] == f"✓fits {(10_000 - 8000) / 1024:.1f} ×2+"


def test_a_verdict_is_told_by_symbol_and_by_class(records: list[Record]) -> None:
    cells = page_of(records).all("td", "verdict")
    looks = {(cell.one("span", "symbol").text, *cell.classes[1:]) for cell in cells}
    assert looks == {("✓", "fits"), ("≈", "retries"), ("✕", "oom")}


def test_the_sentences(records: list[Record]) -> None:
    sentences = [line.text for line in _setting(page_of(records), SETTING_OF_COCO).one("div", "answer").all("p")]
    assert sentences == [
        "1 of 4 methods fits the smallest card, gtx-1080ti-11gb, of which a step can use 9.8 GiB.",
        "Fixed needs the least memory: 7.8 GiB, 80 % less than Full (39.8 GiB).",
        "Full runs out of memory on gtx-1080ti-11gb, where Fixed fits; on p100-16gb, where Fixed and E3VA (fused) fit; "
        "on rtx-3090-24gb, where Fixed and E3VA (fused) fit; on v100-32gb, where all 3 others fit.",
    ]


def test_the_setting_with_the_most_methods_is_first_and_open(record: Callable[..., Record]) -> None:
    few = [record("voc", "swin_large", method, reserved_mib=5000) for method in METHODS[:2]]
    many = [record("ade20k", "swin_large", method, reserved_mib=5000) for method in METHODS]
    timed = [record("voc", "swin_tiny", method, step_ms=5.0) for method in (*METHODS, "lora", "adapter")]
    root = page_of([*few, *timed, *many])
    settings = root.all("details", "setting")
    assert ["open" in setting.attributes for setting in settings] == [True, False, False]
    titles = [setting.one("summary").text for setting in settings]
    assert titles[0] == "ADE20K, swin_large, 2 images of 512 x 512 (simulated)"
    assert titles[2] == "VOC, swin_tiny, 2 images of 608 x 1024 (measured on a CPU)"
    assert [option.text for option in root.one("select").all("option")] == titles


def test_settings_about_the_same_say_in_what_they_differ(record: Callable[..., Record]) -> None:
    records = [record("voc", "swin_large", "full", reserved_mib=5000, precision=name) for name in ("fp32", "amp-fp16")]
    titles = [setting.one("summary").text for setting in page_of(records).all("details", "setting")]
    assert titles == [
        f"VOC, swin_large, 2 images of 608 x 1024, precision {name} (simulated)" for name in ("fp32", "amp-fp16")
    ]


def test_bars_have_the_length_of_their_sizes(records: list[Record]) -> None:
    setting = _setting(page_of(records), SETTING_OF_COCO)
    picture = setting.one("svg", "picture")
    per_kind = {kind: picture.all("rect", f"k-{kind}") for kind in ("parameters", "activations", "cached")}
    widths = {kind: [float(part.attributes["width"].rstrip("%")) for part in parts] for kind, parts in per_kind.items()}
    lines = {line.text.split(",")[0]: line for line in picture.all("text", "card")}
    assert list(lines) == sorted(GPUS, key=GPUS.get)
    at = float(lines["v100-32gb"].attributes["x"].rstrip("%"))
    mib = dict(zip(METHODS, (40_800, 8000, 28_000, 16_000), strict=True))
    for number, method in enumerate(METHODS):
        whole = sum(parts[number] for parts in widths.values())
        assert whole / at == pytest.approx(mib[method] / 31_000, abs=1e-3)
        assert widths["parameters"][number] / whole == pytest.approx((mib[method] - 100) / 4 / mib[method], abs=1e-3)
        assert widths["cached"][number] / whole == pytest.approx(100 / mib[method], abs=1e-3)


def _timed(records: list[Record], **ms: float) -> None:
    for entry in records:
        if entry["case"]["method"] in ms and entry["case"]["engine"] == "simulate":
            step_ms = ms[entry["case"]["method"]]
            entry["predicted_time"] = {
                "v100-32gb": {"step_ms": step_ms, "scaled": False},
                "p100-16gb": {"step_ms": 2 * step_ms, "scaled": True},
            }


def test_points_lie_where_their_figures_are(records: list[Record]) -> None:
    _timed(records, full=1400.0, fixed=500.0, e3va=700.0)
    setting = _setting(page_of(records), SETTING_OF_COCO)
    picture = setting.all("svg", "picture")[1]
    points = [found for found in picture.all("svg") if found.all("title")]
    places = {
        point.one("title").text.split(":")[0]: (float(point.attributes["x"].rstrip("%")), float(point.attributes["y"]))
        for point in points
    }
    assert list(places) == ["Full", E3VA, "Fixed"]
    across = {name: x - 9 for name, (x, _) in places.items()}  # 9 % and 252 pixels are zero
    down = {name: 252 - y for name, (_, y) in places.items()}
    assert across[E3VA] / across["Full"] == pytest.approx(0.5, abs=1e-3)
    assert down[E3VA] / down["Full"] == pytest.approx(16_000 / 40_800, abs=2e-3)
    assert down["Fixed"] / down["Full"] == pytest.approx(8000 / 40_800, abs=2e-3)


def test_step_times_per_card(records: list[Record]) -> None:
    _timed(records, full=1400.0, fixed=500.0)
    setting = _setting(page_of(records), SETTING_OF_COCO)
    table = setting.all("table")[1]
    assert [head.text for head in table.one("thead").all("th")] == ["Method", "v100-32gb ms", "p100-16gb ms"]
    assert {name: [cell.text for cell in cells] for name, cells in rows_of(table).items()} == {
        "Full": ["1 400.0", "2 800.0*"],
        "Fixed": ["500.0", "1 000.0*"],
    }


def test_tables_show_eight_columns_and_hold_all(records: list[Record]) -> None:
    tables = build_tables(frame_of(records))
    root = page_of(records)
    shown = root.all("section", "wide")
    assert len(shown) == len(tables)
    for table, section in zip(tables, shown, strict=True):
        heads = section.one("thead").all("th")
        assert len(heads) == len(table.columns)
        assert sum("more" not in head.classes for head in heads) == min(8, len(heads))
        assert bool(section.all("input")) == (len(heads) > 8)
        cells = [[cell.text for cell in row.children] for row in section.one("tbody").all("tr")]
        assert cells == table.cells.to_numpy().tolist()


def test_a_method_has_one_look_everywhere(records: list[Record]) -> None:
    _timed(records, full=3.0, fixed=2.0, e3va=1.0)
    root = page_of(records)
    looks: dict[str, set[tuple[str, str]]] = {}
    for name in ("Full", "Fixed", E3VA):
        for head in root.all("th"):
            if head.text == name and head.all("svg"):
                (mark,) = head.one("svg").children
                looks.setdefault(name, set()).add((mark.tag, mark.classes[0]))
    assert [len(found) for found in looks.values()] == [1, 1, 1]
    assert len(set.union(*looks.values())) == 3


def test_memory_of_a_step_that_ran_on_a_cpu_is_simulated(record: Callable[..., Record]) -> None:
    root = page_of([record("voc", "swin_tiny", method, reserved_mib=5000, step_ms=5.0) for method in METHODS])
    assert root.one("summary").text.endswith("(measured on a CPU)")
    assert "Verdicts and figures are simulated." in root.one("p", "legend").text


def test_forms_of_a_method_have_names_of_their_own(record: Callable[..., Record]) -> None:
    methods = ("e3va-recompute", "full", "e3va", "e3va-reference", "mine")
    root = page_of([record("voc", "swin_large", method, reserved_mib=5000) for method in methods])
    names = list(rows_of(root.one("table", "matrix")))
    assert names == ["Full", "E3VA (recompute)", "E3VA (fused)", "E3VA (reference)", "mine"]


def test_forms_share_a_colour_and_no_shape(record: Callable[..., Record]) -> None:
    methods = ("full", "e3va-reference", "e3va-recompute", "e3va", "lst", "e3va-stacked")
    root = page_of([record("voc", "swin_large", method, reserved_mib=5000) for method in methods])
    looks: dict[str, tuple[str, str]] = {}
    for head in root.one("table", "matrix").one("tbody").all("th"):
        (mark,) = head.one("svg").children
        looks[head.text] = (mark.classes[0], mark.attributes.get("d", mark.tag))
    forms = [looks[f"E3VA ({form})"] for form in ("fused", "reference", "recompute")]
    assert {colour for colour, _ in forms} == {"m9"} and len(set(forms)) == 3
    assert len({looks[name][0] for name in looks}) == 3  # another method has its own
    assert not any("stacked" in name for name in looks)  # a variant has no place in the matrix


def test_figure_1_has_bars_of_ours_and_the_papers(record: Callable[..., Record]) -> None:
    """Adapter takes 6000 of Full's 10 000 MiB; the paper's 68.84 %. A bar of 100 % is 88 % wide."""
    mib = {"full": 10_000, "adapter": 6000, "e3va-reference": 3000}
    root = page_of([record("voc", "swin_large", method, reserved_mib=size) for method, size in mib.items()])
    panels = root.one("div", "panels").all("svg", "picture")
    assert [panel.attributes["aria-label"].split()[0] for panel in panels] == ["parameters", "memory", "time"]
    memory = panels[1]
    widths = [bar.attributes["width"] for bar in memory.all("rect", "m5") if bar.attributes["width"].endswith("%")]
    assert [float(width.rstrip("%")) for width in widths[:2]] == pytest.approx([88 * 0.6, 88 * 0.6884], abs=1e-3)
    assert "adapter-tuningours 60.0, paper 68.8" in [text.text for text in memory.all("text", "name")]
    assert [text.text for text in memory.all("text", "tick")] == ["VOC", "ADE20K", "COCO"]


def test_published_figures_without_ours_are_named(records: list[Record]) -> None:
    heading = "Figures of the paper that have none of ours beside them"
    root = page_of(records)
    assert heading in [found.text for found in root.all("h2")]
    assert any(line.text.startswith("AP and mIoU") for line in root.all("li"))
    assert heading not in [found.text for found in page_of([]).all("h2")]
