import pytest

from reports.accuracy.runs import NO_RUNS, runs_of
from reports.cells import MISSING
from reports.document import build_tables, write_report
from reports.page.page import write_page
from reports.records import frame_of
from reports.trainings import trainings_tables
from tests.reports.hostile import tokens


def _rows(table) -> list[dict[str, str]]:
    """With `vs Full` under the name of the metric before it."""
    names = [heading for heading, _ in table.columns]
    names = [f"{names[number - 1]}, {name}" if name == "vs Full" else name for number, name in enumerate(names)]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*(cells for _, cells in table.columns), strict=True)]


def test_seeds_are_one_row_with_spread_and_costs(evaluation) -> None:
    lines = [
        evaluation(
            "voc", "swin_large", "e3va", seed, metrics={"AP50": ap},
            memory={"measured_bytes": mib << 20, "simulated_bytes": 2100 << 20},
            time={"measured_step_ms": ms, "predicted_step_ms": 120.0},
        )
        for seed, ap, mib, ms in ((2, 0.84, 2000, 100.0), (0, 0.86, 1990, 90.0), (1, 0.85, 1980, 300.0))
    ]  # fmt: skip
    full = evaluation("voc", "swin_large", "full", metrics={"AP50": 0.8}, memory={}, time={})
    (table,) = trainings_tables(runs_of([*lines, full]))
    assert table.title == "Our trainings on real data"
    of_full, of_e3va = _rows(table)
    assert of_e3va == {
        "Method": "E3VA (fused)", "task": "VOC", "backbone": "swin_large", "recipe": "A", "steps": "1 000",
        "images": "4 952", "seeds": "0, 1, 2", "AP box": "85.00 ± 1.00 (3)", "AP box, vs Full": "+5.00",
        "device": "NVIDIA H200", "MiB, measured": "2 000", "MiB, simulated": "2 100",
        "simulated vs measured %": "+5.0", "step ms, measured": "100", "step ms, predicted": "120",
        "predicted vs measured %": "+20.0",
    }  # fmt: skip
    assert (of_full["Method"], of_full["AP box, vs Full"], of_full["MiB, measured"]) == ("Full", MISSING, MISSING)


def test_made_up_data_has_a_table_of_its_own(evaluation) -> None:
    lines = [
        evaluation("ade20k", "swin_nano", "e3va-stacked", made_up=True),
        evaluation("coco", "swin_base", "lora"),
        evaluation("coco", "swin_base", "lora", 1, steps=10),
    ]
    real, made = trainings_tables(runs_of(lines))
    assert made.title == "Our trainings on made-up data"
    assert "compares with no published figure" in made.caption and "made-up" not in real.caption
    (row,) = _rows(made)
    assert (row["Method"], row["mIoU"]) == ("E3VA, stacked", "50.00 (1)")
    whole, unfinished = _rows(real)
    assert (whole["AP box"], whole["AP mask"]) == ("50.00 (1)", "45.00 (1)")
    assert unfinished["steps"] == "10, unfinished"


def test_runs_of_different_recipes_are_not_put_together(evaluation) -> None:
    lines = [
        evaluation("voc", "swin_large", "full", seed, recipe={"learning_rate": rate})
        for seed, rate in ((0, 1e-4), (1, 2e-4))
    ]
    (table,) = trainings_tables(runs_of(lines))
    assert [(row["recipe"], row["seeds"]) for row in _rows(table)] == [("A", "0"), ("B", "1")]
    assert "A: timm's pre-trained weights, precision amp-fp16, window 7, learning rate 0.0001; B: " in table.caption


def test_without_trainings_there_is_no_table() -> None:
    assert trainings_tables(NO_RUNS) == []


def test_report_and_page_show_them_without_any_other_result(evaluation, tmp_path) -> None:
    evaluations = [evaluation("voc", "swin_tiny", "full", made_up=True)]
    text = write_report([], tmp_path, evaluations=evaluations).read_text()
    assert "## Our trainings on made-up data\n" in text
    page = write_page([], tmp_path, build_tables(frame_of([]), evaluations=evaluations)).read_text()
    assert "Our trainings on made-up data" in page
    assert (tmp_path / "table-our-trainings-on-made-up-data.csv").read_text().startswith("Method,task,backbone,")


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[x](http://a.b)", "a|b", "*x*"])
def test_text_of_an_evaluation_is_text_of_the_report(evaluation, text: str) -> None:
    odd = evaluation(
        "voc", text, text, made_up=True, pretrained=text, recipe={text: {text: [text, None, True, 0.5]}},
        device=text, precision=text, window={text: text},
    )  # fmt: skip
    (table,) = trainings_tables(runs_of([odd, evaluation(text, text, text, made_up=True, metrics={"AP50": 0.5})]))
    found = tokens(table.to_markdown())
    assert not {token.type for token in found} & {"html_block", "html_inline", "link_open", "image"}
    assert sum(token.type == "tr_open" for token in found) == 3
    assert text in "".join(token.content for token in found if token.type in ("text", "text_special"))


def test_a_weights_file_is_named_without_its_folder(evaluation) -> None:
    (table,) = trainings_tables(
        runs_of([evaluation("voc", "swin_large", "full", pretrained="/home/me/swin.safetensors")])
    )
    assert "weights of swin.safetensors" in table.caption and "/home" not in table.to_markdown()
