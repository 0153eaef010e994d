import pytest

from reports.comparisons.highway import highway_table
from reports.document import build_tables
from reports.records import frame_of


@pytest.fixture
def forms(record):
    """The reference takes 2000 MiB and 40 ms above Fixed."""
    reserved = {"fixed": 1600, "e3va-reference": 3600, "e3va": 2500, "e3va-recompute": 1700}
    lines = [record("voc", "swin_large", method, reserved_mib=mib) for method, mib in reserved.items()]
    lines.append(record("voc", "swin_large", "e3va", reserved_mib=1900, bf16_trunk=True))
    lines.append(record("voc", "swin_large", "e3va", reserved_mib=1, checkpointing=True))
    step_ms = {"full": 300.0, "fixed": 100.0, "e3va-reference": 140.0, "e3va": 115.0}
    timed = [record("voc", "swin_tiny", method, step_ms=ms, in_turns=ms / 300) for method, ms in step_ms.items()]
    return [*lines, *timed]


def test_each_form_says_what_it_adds_to_the_frozen_model(forms) -> None:
    cells = highway_table(frame_of(forms)).cells.set_index("Form")
    assert cells.loc["Fixed"].tolist()[:4] == ["1 500", "0", "0.0", "1 600"]
    assert cells.loc["E3VA, reference"].tolist()[:3] == ["3 500", "2 000", "100.0"]
    assert cells.loc["E3VA, fused"].tolist() == ["2 400", "900", "45.0", "2 500", "115 (114-116)", "+5.0", "37.5"]
    assert cells.loc["E3VA, fused, bfloat16 trunk"].tolist()[:3] == ["1 800", "300", "15.0"]
    assert cells.loc["E3VA, recompute"].tolist() == ["1 600", "100", "5.0", "1 700", "–", "–", "–"]
    assert cells.loc["E3VA++, fused"].tolist() == ["–"] * 7


def test_it_needs_fixed_and_the_reference(forms, records) -> None:
    for missing in (0, 1):
        assert highway_table(frame_of(forms[:missing] + forms[missing + 1 :])) is None
    assert highway_table(frame_of([])) is None
    titles = [table.title for table in build_tables(frame_of([*records, *forms]))]
    assert "Forms of the highway" in titles


def test_times_above_fixed_come_from_steps_in_turns(forms) -> None:
    """Fixed was measured when everything took ten times as long."""
    (fixed,) = (line["time"] for line in forms if line["time"] and line["case"]["method"] == "fixed")
    fixed["step_ms"] |= {"median": 1000.0, "p10": 999.0, "p90": 1001.0}
    cells = highway_table(frame_of(forms)).cells.set_index("Form")
    assert cells.loc["E3VA, fused"].tolist()[-2:] == ["+5.0", "37.5"]


def test_noise_as_large_as_the_highway_is_said(forms) -> None:
    (reference,) = (line["time"] for line in forms if line["time"] and line["case"]["method"] == "e3va-reference")
    reference["relative_to"]["ratio"] = {"median": 0.46, "low": 0.3, "high": 0.6}
    table = highway_table(frame_of(forms))
    assert table.cells.set_index("Form").loc["E3VA, reference"].tolist()[-1] == "≈ +0 (-4 to +27)"
    assert "The reference form is not told apart from Fixed" in table.caption


def test_fused_attention_was_timed_with_another_full(forms, record) -> None:
    fused = record("voc", "swin_tiny", "e3va", step_ms=90.0, in_turns=0.5, fused_attention=True)
    cells = highway_table(frame_of([*forms, fused])).cells.set_index("Form")
    assert cells.loc["E3VA, fused, fused attention"].tolist()[-3:] == ["90 (89-91)", "not in turns", "not in turns"]


def test_predicted_times_stand_before_those_of_a_cpu(forms) -> None:
    for line in forms[:2]:
        line["predicted_time"] = {"v100-32gb": {"step_ms": line["memory"]["peak_reserved_bytes"] / 2**20}}
    table = highway_table(frame_of(forms))
    headings = [heading for heading, _ in table.columns]
    assert headings[5:8] == ["v100-32gb ms, predicted", "% of reference's step", "CPU step ms (p10-p90)"]
    assert table.cells.set_index("Form").loc["Fixed"].tolist()[4:6] == ["1 600", "44.4"]  # of 3600
    assert "is **predicted**" in table.caption
