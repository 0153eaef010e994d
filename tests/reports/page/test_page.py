"""The page by arithmetic: matrix, sentences, pictures, tables; and from results that lack most of it."""

import base64
import hashlib
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from reports.document import build_tables
from reports.page.page import FILE_NAME, page, write_page
from reports.page.rendering import TEMPLATES
from reports.records import frame_of
from tests.reports.conftest import GPUS, MIB, Record
from tests.reports.hostile import HOSTILE, is_plain
from tests.reports.page.conftest import METHODS
from tests.reports.page.html_reader import Element, assert_harmless, read
from tests.reports.test_hostile_results import CHECK, LACKING, STEP_CHECK, _spoiled

E3VA = "E3VA (fused)"
SETTING_OF_COCO = "COCO, swin_large, 2 images of 800 x 1344"


def _page(records: list[Record], checks=(), step_checks=()) -> Element:
    text = page(records, build_tables(frame_of(records)), checks, step_checks)
    root = read(text)
    assert_harmless(root)
    assert is_plain(text)
    return root


def _setting(root: Element, title: str) -> Element:
    return next(found for found in root.all("details", "setting") if found.one("summary").text.startswith(title))


def _rows(table: Element) -> dict[str, list[Element]]:
    return {row.one("th").text: row.all("td") for row in table.one("tbody").all("tr")}


def test_the_matrix_has_the_headroom_of_each_method_on_each_card(records: list[Record]) -> None:
    """Full of COCO needs 40 800 MiB, Norm-Tuning 28 000, E3VA 16 000, Fixed 8000."""
    setting = _setting(_page(records), SETTING_OF_COCO)
    table = setting.one("table", "matrix")
    names = [head.text.split()[0] for head in table.one("thead").all("th")]
    assert names == ["Method", "GiB", *sorted(GPUS, key=GPUS.get)]
    rows = {name: [cell.text for cell in cells] for name, cells in _rows(table).items()}
    assert list(rows) == ["Full", "Fixed", "Norm-Tuning", E3VA]
    assert rows["Full"] == [
        "39.8", *(f"✕out of memory −{(40_800 - usable) / 1024:.1f}" for usable in (10_000, 15_600, 23_000, 31_000)),
    ]  # fmt: skip
    assert rows[E3VA] == [
        "15.6", "✕out of memory −5.9", "≈fits after retries 0.0", "✓fits 6.8", "✓fits 14.6",
    ]  # fmt: skip
    assert rows["Fixed"][1] == f"✓fits {(10_000 - 8000) / 1024:.1f}"


def test_a_verdict_is_told_by_symbol_and_by_class(records: list[Record]) -> None:
    cells = _page(records).all("td", "verdict")
    looks = {(cell.one("span", "symbol").text, *cell.classes[1:]) for cell in cells}
    assert looks == {("✓", "fits"), ("≈", "retries"), ("✕", "oom")}


def test_the_sentences(records: list[Record]) -> None:
    sentences = [line.text for line in _setting(_page(records), SETTING_OF_COCO).one("div", "answer").all("p")]
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
    root = _page([*few, *timed, *many])
    settings = root.all("details", "setting")
    assert ["open" in setting.attributes for setting in settings] == [True, False, False]
    titles = [setting.one("summary").text for setting in settings]
    assert titles[0] == "ADE20K, swin_large, 2 images of 512 x 512 (simulated)"
    assert titles[2] == "VOC, swin_tiny, 2 images of 608 x 1024 (measured on a CPU)"
    assert [option.text for option in root.one("select").all("option")] == titles


def test_settings_about_the_same_say_in_what_they_differ(record: Callable[..., Record]) -> None:
    records = [record("voc", "swin_large", "full", reserved_mib=5000, precision=name) for name in ("fp32", "amp-fp16")]
    titles = [setting.one("summary").text for setting in _page(records).all("details", "setting")]
    assert titles == [
        f"VOC, swin_large, 2 images of 608 x 1024, precision {name} (simulated)" for name in ("fp32", "amp-fp16")
    ]


def test_bars_have_the_length_of_their_sizes(records: list[Record]) -> None:
    setting = _setting(_page(records), SETTING_OF_COCO)
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
    setting = _setting(_page(records), SETTING_OF_COCO)
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
    setting = _setting(_page(records), SETTING_OF_COCO)
    table = setting.all("table")[1]
    assert [head.text for head in table.one("thead").all("th")] == ["Method", "v100-32gb ms", "p100-16gb ms"]
    assert {name: [cell.text for cell in cells] for name, cells in _rows(table).items()} == {
        "Full": ["1 400.0", "2 800.0*"],
        "Fixed": ["500.0", "1 000.0*"],
    }


def test_tables_show_eight_columns_and_hold_all(records: list[Record]) -> None:
    tables = build_tables(frame_of(records))
    root = _page(records)
    shown = root.all("section", "wide")
    assert len(shown) == len(tables)
    for table, section in zip(tables, shown, strict=True):
        heads = section.one("thead").all("th")
        assert len(heads) == len(table.columns)
        assert sum("more" not in head.classes for head in heads) == min(8, len(heads))
        assert bool(section.all("input")) == (len(heads) > 8)
        cells = [[cell.text for cell in row.children] for row in section.one("tbody").all("tr")]
        assert cells == table.cells.to_numpy().tolist()


def test_only_the_own_script_and_style_have_an_effect(records: list[Record]) -> None:
    text = page(records, [])
    root = read(text)
    policy = next(meta.attributes["content"] for meta in root.all("meta") if "http-equiv" in meta.attributes)
    for tag in ("script", "style"):
        content = re.search(f"<{tag}>(.*)</{tag}>", text, re.DOTALL)[1]
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_no_colour_has_two_meanings() -> None:
    """Within light and dark each: verdicts, kinds of memory and methods share none."""
    style = (TEMPLATES / "style.css").read_text()
    light, dark = re.findall(r":root \{([^}]*)\}", style)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#\w+);", scheme))
        meaning = {name: colour for name, colour in colours.items() if re.match(r"(m\d+|k-.*|fits|retries|oom)$", name)}
        assert len(meaning) == 14 + 7 + 3
        assert len(set(meaning.values())) == len(meaning)
        levels = [_lightness(colours[name]) for name in ("fits", "retries", "oom")]
        assert abs(levels[0] - levels[2]) > 0.3
        for name in ("fits", "retries", "oom"):
            assert _contrast(colours[name], colours[f"{name}-ink"]) > 4.5
        for name in (name for name in meaning if name.startswith("m")):
            assert _contrast(colours[name], colours["paper"]) > 3, name


def _lightness(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_lightness(one), _lightness(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_a_method_has_one_look_everywhere(records: list[Record]) -> None:
    _timed(records, full=3.0, fixed=2.0, e3va=1.0)
    root = _page(records)
    looks: dict[str, set[tuple[str, str]]] = {}
    for name in ("Full", "Fixed", E3VA):
        for head in root.all("th"):
            if head.text == name and head.all("svg"):
                (mark,) = head.one("svg").children
                looks.setdefault(name, set()).add((mark.tag, mark.classes[0]))
    assert [len(found) for found in looks.values()] == [1, 1, 1]
    assert len(set.union(*looks.values())) == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_results_file_is_text_of_the_page(records: list[Record], tmp_path: Path, text: str) -> None:
    spoiled = _spoiled(records, text)
    for entry in spoiled:
        entry["case"] |= {"precision": text, "profile": text}
        if entry["memory"]:
            entry["memory"]["at_peak"][text] = 5
    spoiled[0]["case"]["method"] = text
    root = _page(spoiled, [{**CHECK, "id": text, "group": text, "quantity": text}], [{**STEP_CHECK, "card": text}])
    assert "Cases that failed" in [heading.text for heading in root.all("h2")]


def test_names_are_shown_as_they_are(record: Callable[..., Record]) -> None:
    text = "<b>&lt; ](x) _z_ * \\"
    root = _page([record("voc", "swin_large", text, reserved_mib=5000)])
    assert list(_rows(root.one("table", "matrix"))) == [text]
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
    rows = _rows(_page([known, oom, missing]).one("table", "matrix"))
    assert [[cell.text for cell in cells[:2]] for cells in rows.values()] == [
        ["9.8", "✓fits 0.0"], ["OOM", "–no figure"], ["–", "–no figure"],
    ]  # fmt: skip


def test_memory_of_a_step_that_ran_on_a_cpu_is_simulated(record: Callable[..., Record]) -> None:
    root = _page([record("voc", "swin_tiny", method, reserved_mib=5000, step_ms=5.0) for method in METHODS])
    assert root.one("summary").text.endswith("(measured on a CPU)")
    assert "Verdicts and figures are simulated." in root.one("p", "legend").text


def test_forms_of_a_method_have_names_of_their_own(record: Callable[..., Record]) -> None:
    methods = ("e3va-recompute", "full", "e3va", "e3va-reference", "mine")
    root = _page([record("voc", "swin_large", method, reserved_mib=5000) for method in methods])
    names = list(_rows(root.one("table", "matrix")))
    assert names == ["Full", "E3VA (recompute)", "E3VA (fused)", "E3VA (reference)", "mine"]


def test_headings_follow_each_other(records: list[Record]) -> None:
    levels = [int(element.tag[1]) for element in _page(records).all() if re.fullmatch(r"h\d", element.tag)]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))


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
