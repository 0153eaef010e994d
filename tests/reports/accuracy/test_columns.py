"""Our accuracy in the paper's tables."""

import pytest

from reports.accuracy.runs import runs_of
from reports.cells import MISSING
from reports.comparisons.ablations import ablation_tables
from reports.records import frame_of
from reports.tables import table1, table2


def _column(table, heading: str, offset: int = 0) -> dict[str, str]:
    """Row -> cell of the column that is so far right of one with a heading."""
    headings = [name for name, _ in table.columns]
    return dict(zip(table.columns[0][1], table.columns[headings.index(heading) + offset][1], strict=True))


@pytest.fixture
def runs(evaluation):
    """Full with 83.0 and 85.0, E3VA with 86.0 in the fused form, on VOC alone."""
    lines = [evaluation("voc", "swin_large", "full", seed, metrics={"AP50": ap}) for seed, ap in ((0, 0.83), (1, 0.85))]
    return runs_of([*lines, evaluation("voc", "swin_large", "e3va", metrics={"AP50": 0.86})])


def test_ours_stand_beside_the_papers(records, runs) -> None:
    table = table1(frame_of(records), runs)
    ours, paper, above, papers_above = (_column(table, "VOC AP box", offset) for offset in range(4))
    assert (ours["Full"], paper["Full"], above["Full"], papers_above["Full"]) == (
        "84.0 ± 1.4 (2)",
        "83.5",
        MISSING,
        MISSING,
    )
    assert (ours["E3VA"], paper["E3VA"], above["E3VA"], papers_above["E3VA"]) == ("86.0 (1)", "86.5", "+2.0", "+3.0")
    assert ours["LoRA"] == above["LoRA"] == MISSING
    assert set(_column(table, "ADE20K mIoU").values()) == {MISSING}


def test_all_forms_share_the_accuracy_of_their_method(records, runs) -> None:
    table = table1(frame_of(records), runs)
    ours = _column(table, "VOC AP box")
    assert ours["E3VA, fused (ours)"] == ours["E3VA"]
    assert "share one accuracy; trained were E3VA: fused." in table.caption


def test_a_variant_is_no_run_of_its_method(records, runs, evaluation) -> None:
    variant = runs_of([evaluation("voc", "swin_large", "e3va-stacked")])
    assert set(_column(table1(frame_of(records), variant), "VOC AP box").values()) == {MISSING}


def test_the_caption_says_what_there_is(records, runs) -> None:
    caption = table1(frame_of(records), runs).caption
    assert "AP and mIoU of ours are **measured**" in caption
    recipe = (
        "timm's pre-trained weights, precision amp-fp16, window 7, name authors, total batch 16, learning rate 0.0001"
    )
    assert f"VOC: 4 952 images, after 1 000 steps; {recipe}." in caption
    assert "No training of ADE20K was evaluated." in caption
    without = table1(frame_of(records)).caption
    assert "AP and mIoU are **published**; ours are missing" in without
    assert "measured" not in without


def test_made_up_and_unfinished_runs_never_stand_there(records, evaluation) -> None:
    for odd in ({"made_up": True}, {"steps": 999}):
        table = table1(frame_of(records), runs_of([evaluation("voc", "swin_large", "full", **odd)]))
        assert set(_column(table, "VOC AP box").values()) == {MISSING}
        assert "ours are missing" in table.caption


def test_boxes_and_masks_on_two_backbones(records, evaluation) -> None:
    lines = [
        evaluation("coco", backbone, method, metrics={"bbox_AP": ap, "segm_AP": ap - 0.06})
        for backbone, method, ap in (
            ("swin_base", "full", 0.5),
            ("swin_large", "e3va-reference", 0.53),
            ("swin_base", "e3va", 0.49),
        )
    ]
    table = table2(frame_of(records), runs_of(lines))
    box, mask, above = _column(table, "AP box"), _column(table, "AP mask"), _column(table, "AP mask", 2)
    assert (box["Full"], box["E3VA"], box["E3VA (Swin-L)"]) == ("50.0 (1)", "49.0 (1)", "53.0 (1)")
    assert (mask["Full"], mask["E3VA"], mask["E3VA (Swin-L)"]) == ("44.0 (1)", "43.0 (1)", "47.0 (1)")
    assert (above["Full"], above["E3VA"], above["E3VA (Swin-L)"]) == (MISSING, "-1.0", "+3.0")
    assert table.caption.count("4 952 images") == 2


def test_the_papers_number_is_never_in_our_column(records) -> None:
    for build in (table1, table2):
        table = build(frame_of(records))
        headings = [heading for heading, _ in table.columns]
        for position, heading in enumerate(headings):
            if "AP" in heading or "mIoU" in heading:
                assert headings[position : position + 4] == [heading, "paper", "vs Full", "paper"]
                ours = {*table.columns[position][1], *table.columns[position + 2][1]}
                assert ours == {MISSING}


def test_variants_have_their_own_accuracy(record, evaluation) -> None:
    lines = [
        record(task, "swin_large", method, reserved_mib=4000)
        for task in ("voc", "ade20k")
        for method in ("e3va-reference", "e3va-stacked", "e3va-trained-merging")
    ]
    trained = [
        evaluation("voc", "swin_large", "e3va", metrics={"AP50": 0.86}),
        evaluation("voc", "swin_large", "full", metrics={"AP50": 0.83}),
        evaluation("voc", "swin_large", "e3va-stacked", metrics={"AP50": 0.855}),
        evaluation("ade20k", "swin_large", "e3va-trained-merging", metrics={"mIoU": 0.4987}),
        evaluation("coco", "swin_base", "e3va", metrics={"bbox_AP": 0.5}),
    ]
    structure, reduction = ablation_tables(frame_of(lines), runs_of(trained))
    ours = _column(structure, "VOC AP box")
    assert list(ours.values()) == ["86.0 (1)", MISSING, "85.5 (1)"]
    assert list(_column(structure, "VOC AP box", 1).values()) == ["86.5", "85.4", "85.9"]
    assert _column(reduction, "ADE20K mIoU")["trained reduction"] == "49.87 (1)"
    assert set(_column(reduction, "COCO AP box").values()) == {MISSING}
    assert "No training of COCO AP box was evaluated." in reduction.caption
