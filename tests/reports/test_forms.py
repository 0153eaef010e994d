import pandas as pd

from reports.forms import absent_note, in_rows_of_the_paper, is_as_published, is_itself, is_reference, papers_rows
from reports.records import frame_of

FRAME = pd.DataFrame(
    [
        ("full", "full", "", ""),
        ("e3va", "e3va", "fused", ""),
        ("e3va-reference", "e3va", "reference", ""),
        ("e3va-recompute", "e3va", "recompute", ""),
        ("e3va-stacked", "e3va", "reference", "stacked"),
        ("e3va+", "e3va+", "fused", ""),
        ("e3va++", "e3va++", "", ""),
        ("own", "own", "", ""),
        ("own-form", "own", "other", ""),
    ],
    columns=["method", "base", "form", "variant"],
)


def test_a_method_itself_and_its_reference_form() -> None:
    assert FRAME["method"][is_itself(FRAME)].tolist() == ["full", "e3va", "e3va+", "e3va++", "own"]
    assert FRAME["method"][is_reference(FRAME)].tolist() == ["e3va-reference"]


def test_no_other_form_stands_in_the_papers_row() -> None:
    assert FRAME["method"][is_as_published(FRAME)].tolist() == ["full", "e3va-reference", "own"]
    without = FRAME.drop(2)
    assert without["method"][is_as_published(without)].tolist() == ["full", "own"]


def test_other_forms_have_rows_that_say_so() -> None:
    named = in_rows_of_the_paper(FRAME)
    assert named["method"].tolist() == [
        "full", "E3VA, fused (ours)", "e3va", "E3VA, recompute (ours)", "E3VA+, fused (ours)",
        "E3VA++, form not stated (ours)", "own", "own, other (ours)",
    ]  # fmt: skip
    assert in_rows_of_the_paper(named).equals(named)
    assert in_rows_of_the_paper(frame_of([])).empty


def test_the_papers_rows_come_first() -> None:
    found = pd.DataFrame({"method": ["own", "full"]}, index=["own", "full"])
    assert papers_rows(["full", "e3va"], [found]) == (["full", "e3va", "own"], ["Full", "E3VA", "own"])


def test_what_is_absent_is_said_with_the_method_to_measure() -> None:
    parts = [("VOC", ["full", "lora", "e3va++"], ["full"]), ("COCO", ["full"], ["full"])]
    expected = " The results lack these rows, so they have no figure of ours: VOC: LoRA, E3VA++ (measure {})."
    assert absent_note(parts) == expected.format("e3va++-reference")
    assert absent_note(parts[1:]) == ""
