"""A report of results that somebody made to harm its readers, or that lack what most have."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib import image

from reports import document
from reports.document import PICTURES, build_tables, write_report
from reports.plots.trainability import trainability
from reports.records import frame_of
from tests.reports.conftest import GPUS, Record
from tests.reports.hostile import HOSTILE, tokens

KERNELS = {"matmul_tf32": False, "attention": "explicit", "allocator": {"PYTORCH_CUDA_ALLOC_CONF": ""}, "libraries": {}}
CHECK = {
    "kind": "drystep memory check", "id": "a run", "group": "cnn", "quantity": "reserved",
    "predicted_bytes": 2 << 20, "measured_bytes": 1 << 20, "error_percent": 100.0, "predicted_oom": False,
    "measured_oom": None, "right_about_oom": None, "capped_right": 0, "capped_runs": 0,
}  # fmt: skip
STEP_CHECK = {"id": "a step", "card": "a card", "error_percent": 1.0, "roofline_error_percent": -50.0}
HARMLESS = {
    "heading_open", "heading_close", "inline", "text", "text_special", "softbreak", "paragraph_open", "paragraph_close",
    "strong_open", "strong_close", "em_open", "em_close", "image", "bullet_list_open", "bullet_list_close",
    "list_item_open", "list_item_close", "table_open", "table_close", "thead_open", "thead_close", "tbody_open",
    "tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "code_inline",
}  # fmt: skip


def _spoiled(records: list[Record], text: str) -> list[Record]:
    """The same results with a text wherever a results file may have any."""
    spoiled = json.loads(json.dumps(records))
    for record in spoiled:
        record["environment"] = {"device": text, "torch": text, text: [text, {text: text}], "git_dirty": text}
        record["fits"][text] = {"verdict": text, "peak_reserved_bytes": 1 << 30}
        if record["fits"] and record["case"]["engine"] == "simulate":
            time = {"step_ms": 5.0, "scaled": True, "by_kind_ms": {text: 1.0}}
            record["predicted_time"] = {text: time, "v100-32gb": {"missing": text}}
    failed = json.loads(json.dumps(spoiled[0])) | {"status": "error", "message": text}
    return [*spoiled, failed]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_results_file_is_text_of_the_report(
    records: list[Record], tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "PICTURES", [("a.png", lambda frame, path: True, "a picture")])
    checks, step_checks = [{**CHECK, "id": text, "group": text, "quantity": text}], [{**STEP_CHECK, "card": text}]
    written = write_report(_spoiled(records, text), tmp_path, [3, 4], checks, step_checks)
    found = tokens(written.read_text(encoding="utf-8"))
    assert {token.type for token in found} <= HARMLESS
    assert all(token.content == "python -m bench" for token in found if token.type == "code_inline")
    assert [token.attrs["src"] for token in found if token.type == "image"] == ["a.png"]
    assert list(tmp_path.iterdir()) == [written]
    expected = [
        "What it costs to fine-tune Swin for dense prediction",
        "Table 3. Training time",
        "Table 4. Swin-L Cascade Mask R-CNN on four GPU classes",
    ]
    headings = [after.content for token, after in pairwise(found) if token.type == "heading_open"]
    assert [heading for heading in headings if heading in expected] == expected
    assert "Cases that failed" in headings and "Where the figures come from" in headings


def test_names_are_shown_as_they_are(records: list[Record]) -> None:
    text = "<b>|[x](y) _z_"
    (table,) = build_tables(frame_of(_spoiled(records, text)), [4])[:1]
    cells = [token.content for token in tokens(table.to_markdown()) if token.type in ("text", "text_special")]
    assert text in "".join(cells)


@pytest.mark.parametrize("text", ["$\\notacommand{$", "$x$ and $", "\U0001f600\x1b[2J", "x" * 10_000])
def test_pictures_show_any_name(records: list[Record], tmp_path: Path, text: str) -> None:
    frame = frame_of(_spoiled(records, text))
    assert trainability(frame, tmp_path / "matrix.png")
    assert image.imread(tmp_path / "matrix.png").std() > 0.05  # something is drawn


def test_results_of_a_gpu(records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their environment holds objects."""
    monkeypatch.setattr(document, "PICTURES", ())
    for record in records:
        record["environment"] = {"torch": "2.11.0", "device": "NVIDIA H100", "kernels": KERNELS, "in_use": None}
    records[0]["environment"]["kernels"] = {**KERNELS, "matmul_tf32": True}
    lines = write_report(records, tmp_path, [1]).read_text().splitlines()
    said = (
        "device NVIDIA H100, kernels (allocator: (PYTORCH_CUDA_ALLOC_CONF: ), attention: explicit, libraries: (), "
        "matmul_tf32: {}), torch 2.11.0"
    )
    count = sum(record["case"]["engine"] == "simulate" for record in records)
    assert [line for line in lines if line.startswith("- simulate")] == [
        f"- simulate ({count - 1} cases): {said.format('no')}",
        f"- simulate (1 cases): {said.format('yes')}",
    ]


@pytest.mark.parametrize(
    "environment",
    [{}, {"device": None}, {"device": ["a", 1, None, True, 1.5]}, {"device": {"a": {"b": []}}}, {"git_dirty": {}}],
)
def test_environments_of_any_type(
    records: list[Record], tmp_path: Path, environment: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "PICTURES", ())
    for record in records:
        record["environment"] = environment
    text = write_report(records, tmp_path).read_text()
    assert "## Table 3. Training time" in text and "## Where the figures come from" in text


Change = Callable[[Record], object]
LACKING: dict[str, Change] = {
    "no predicted time": lambda record: record.pop("predicted_time", None),
    "no time": lambda record: record.update(time=None),
    "no memory": lambda record: record.update(memory=None),
    "no parameters": lambda record: record.update(params=None),
    "no cards": lambda record: record.update(fits={}),
    "no reserved memory": lambda record: (record["memory"] or {}).pop("peak_reserved_bytes", None),
    "no allocated memory": lambda record: (record["memory"] or {}).pop("peak_allocated_bytes", None),
    "nothing at the peak": lambda record: (record["memory"] or {}).update(at_peak=None),
    "part of the peak": lambda record: (record["memory"] or {}).update(at_peak={"activations": 1 << 30}),
    "no spread": lambda record: record["time"] and record["time"].update(step_ms={"median": 3.0, "samples": [3.0]}),
    "no median": lambda record: record["time"] and record["time"].update(step_ms={"median": None, "samples": [None]}),
    "no reserved memory of a card": lambda record: [fit.pop("peak_reserved_bytes") for fit in record["fits"].values()],
    "no verdict": lambda record: [fit.pop("verdict") for fit in record["fits"].values()],
    "another verdict": lambda record: [fit.update(verdict="depends") for fit in record["fits"].values()],
    "a prediction that lacks all": lambda record: record.update(predicted_time={"v100-32gb": {}}),
    "a prediction of nothing": lambda record: record.update(predicted_time={"v100-32gb": {"missing": "peaks"}}),
    "a prediction without parts": lambda record: record.update(predicted_time={"v100-32gb": {"step_ms": 3.0}}),
}


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize("which", ["all", "the first", "all but the first"])
def test_tables_of_results_that_lack_something(records: list[Record], lacking: str, which: str) -> None:
    for record in {"all": records, "the first": records[:1], "all but the first": records[1:]}[which]:
        LACKING[lacking](record)
    text = "".join(table.to_markdown() for table in build_tables(frame_of(records)))
    assert not re.search(r"\b(nan|None|inf)\b", text)


@pytest.mark.nightly
@pytest.mark.parametrize("turn", range(3))
def test_pictures_of_results_that_lack_something(records: list[Record], tmp_path: Path, turn: int) -> None:
    changes = list(LACKING.values())
    for number, record in enumerate(records[turn::3]):
        changes[(number + turn * len(records) // 3) % len(changes)](record)
    text = write_report(records, tmp_path, [1]).read_text()
    drawn = re.findall(r"^!\[.*\]\((.*)\)$", text, re.MULTILINE)
    assert len(drawn) >= 3
    assert all(image.imread(tmp_path / name).std() > 0.05 for name in drawn)


@pytest.mark.nightly
@pytest.mark.parametrize("lacking", ["no memory", "nothing at the peak", "no parameters", "no cards", "no verdict"])
def test_pictures_of_results_that_all_lack_something(records: list[Record], tmp_path: Path, lacking: str) -> None:
    for record in records:
        LACKING[lacking](record)
    frame = frame_of(records)
    drawn = {name for name, draw, _ in PICTURES if draw(frame, tmp_path / name)}
    assert {path.name for path in tmp_path.iterdir()} == drawn


def test_a_card_that_the_first_result_lacks_has_its_column(records: list[Record]) -> None:
    for record in records:
        if record["case"]["batch_size"] == 1:
            record["fits"] = {}
    (table,) = build_tables(frame_of(records), [4])[:1]
    assert set(GPUS) <= set(table.cells.columns)


def test_many_cards_leave_a_picture_that_can_be_drawn(records: list[Record], tmp_path: Path) -> None:
    for record in records:
        record["fits"] = {f"card-{number}": {"verdict": "fits", "peak_reserved_bytes": 1} for number in range(900)}
    trainability(frame_of(records), tmp_path / "trainability.png")
    assert max(image.imread(tmp_path / "trainability.png").shape) < 1 << 13
