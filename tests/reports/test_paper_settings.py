import pytest

from reports.cells import MISSING
from reports.document import build_tables
from reports.paper_settings import OUTSIDE_MIB, paper_settings_tables
from reports.records import frame_of, published
from reports.tables import table2

LEGACY = {"profile": "mm-2021", "precision": "apex-o1"}


@pytest.fixture
def legacy(record):
    """On one shape each row is 1000 MiB below the paper's; over the first batches E3VA alone is 10 % above."""
    paper = published("table2_coco_swin_base").drop_duplicates("key").set_index("key")["memory_mb"]
    lines = []
    for method, key in (("full", "full"), ("fixed", "fixed"), ("e3va-reference", "e3va")):
        reserved = int(paper[key]) - OUTSIDE_MIB
        run = round(1.1 * paper[key]) - OUTSIDE_MIB if key == "e3va" else reserved
        lines.append(record("coco", "swin_base", method, reserved_mib=reserved - 1000, **LEGACY))
        lines.append(record("coco", "swin_base", method, reserved_mib=run, batches=8, stretch="first", **LEGACY))
    return lines


def test_rows_stand_beside_the_papers(legacy) -> None:
    (table,) = paper_settings_tables(frame_of(legacy))
    full, fixed, e3va = table.cells.to_numpy().tolist()
    assert full[:6] == ["Full", "16 061", "-5.9", "17 061", "+0.0", "17 061"]  # 1000 of 17061
    assert fixed[6:9] == ["-58.2", "-58.2", "+0.0"]
    assert e3va[4] == "+10.0"
    assert e3va[8] == "+4.5"  # a tenth of E3VA's 44.8 % of Full


def test_the_caption_sums_up(legacy) -> None:
    (table,) = paper_settings_tables(frame_of(legacy))
    assert "11.6 % on one shape, 5.8 % over the first batches" in table.caption  # of 5.9, 14.0, 13.1; of 0, 0, 10
    assert "2 of 2 differences to Full lie within 8 points" in table.caption


def test_they_are_not_in_the_papers_tables(records, legacy) -> None:
    tables = build_tables(frame_of([*records, *legacy]))
    assert tables[1].to_markdown() == table2(frame_of(records)).to_markdown()
    assert [table.title for table in tables if "probable" in table.title] == [
        "COCO under the paper's probable settings"
    ]


def test_no_other_form_of_e3va_stands_there(legacy, record) -> None:
    (expected,) = paper_settings_tables(frame_of(legacy))
    methods = ("e3va", "e3va-recompute", "e3va-standard")
    others = [record("coco", "swin_base", method, reserved_mib=1, **LEGACY) for method in methods]
    (found,) = paper_settings_tables(frame_of([*legacy, *others]))
    assert found.to_markdown() == expected.to_markdown()
    (without,) = paper_settings_tables(frame_of([*legacy[:4], *others]))
    assert "E3VA" not in without.cells["Method"].tolist()


def test_the_last_column_says_what_the_papers_rows_say(record) -> None:
    lines = []
    for number, method in enumerate(("full", "norm_tuning", "bitfit", "adapter", "adaptformer", "lorand", "lora")):
        mib = 8_000 + 10 * number
        lines.append(record("voc", "swin_large", method, reserved_mib=mib, **LEGACY))
        lines.append(record("voc", "swin_large", method, reserved_mib=mib, batches=8, stretch="first", **LEGACY))
    (table,) = paper_settings_tables(frame_of(lines))
    said = dict(zip(table.cells["Method"], table.cells["the paper's rows compared"], strict=True))
    assert said == {
        "Full": MISSING,
        "Norm-Tuning": MISSING,
        "BitFit": "738 MB above Norm-Tuning (ours +10)",  # 10861 - 10123
        "Adapter": "68 MB below BitFit (ours +10)",  # 10793 - 10861
        "LoRA": "666 MB below Adapter (ours +30)",  # 10127 - 10793
        "AdaptFormer": "243 MB above Adapter (ours +10); even, as 2 of 12 figures of the column",  # 11036
        "LoRand": "even, as 2 of 12 figures of the column",  # 11986
    }


def test_both_kinds_are_needed(legacy) -> None:
    assert paper_settings_tables(frame_of(legacy[::2])) == []
    assert paper_settings_tables(frame_of([])) == []
