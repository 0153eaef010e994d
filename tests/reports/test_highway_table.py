import pytest

from reports.document import build_tables
from reports.highway import highway_table
from reports.records import frame_of


@pytest.fixture
def forms(record):
    """The reference takes 2000 MiB and 40 ms above Fixed."""
    reserved = {"fixed": 1600, "e3va-reference": 3600, "e3va": 2500, "e3va-recompute": 1700}
    lines = [record("voc", "swin_large", method, reserved_mib=mib) for method, mib in reserved.items()]
    lines.append(record("voc", "swin_large", "e3va", reserved_mib=1900, bf16_trunk=True))
    lines.append(record("voc", "swin_large", "e3va", reserved_mib=1, checkpointing=True))
    step_ms = {"full": 300.0, "fixed": 100.0, "e3va-reference": 140.0, "e3va": 115.0}
    return [*lines, *(record("voc", "swin_tiny", method, step_ms=ms) for method, ms in step_ms.items())]


def test_each_form_says_what_it_adds_to_the_frozen_model(forms) -> None:
    cells = highway_table(frame_of(forms)).cells.set_index("Form")
    assert cells.loc["Fixed"].tolist()[:4] == ["1 500", "0", "0.0", "1 600"]
    assert cells.loc["E3VA, reference"].tolist()[:3] == ["3 500", "2 000", "100.0"]
    assert cells.loc["E3VA, fused"].tolist() == ["2 400", "900", "45.0", "2 500", "115 (114-116)", "15", "37.5"]
    assert cells.loc["E3VA, fused, bfloat16 trunk"].tolist()[:3] == ["1 800", "300", "15.0"]
    assert cells.loc["E3VA, recompute"].tolist() == ["1 600", "100", "5.0", "1 700", "–", "–", "–"]
    assert cells.loc["E3VA++, fused"].tolist() == ["–"] * 7


def test_it_needs_fixed_and_the_reference(forms, records) -> None:
    for missing in (0, 1):
        assert highway_table(frame_of(forms[:missing] + forms[missing + 1 :])) is None
    assert highway_table(frame_of([])) is None
    titles = [table.title for table in build_tables(frame_of([*records, *forms]))]
    assert "Forms of the highway" in titles
