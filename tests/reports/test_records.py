from reports.cells import MISSING
from reports.records import frame_of, select, settings_of

SINGLE = {"task": "voc", "backbone": "swin_large", "engine": "simulate", "batch_size": 2}


def test_methods_are_told_by_fields(record) -> None:
    methods = ("e3va", "e3va+-recompute", "e3va-stacked", "lst")
    frame = frame_of([record("voc", "swin_large", method, reserved_mib=1_000) for method in methods])
    assert frame[["base", "form", "variant"]].to_numpy().tolist() == [
        ["e3va", "fused", ""],
        ["e3va+", "recompute", ""],
        ["e3va", "reference", "stacked"],
        ["lst", "", ""],
    ]


def test_a_line_without_a_method_field_is_of_a_method_itself(record) -> None:
    line = record("voc", "swin_large", "e3va-reference", reserved_mib=1_000)
    del line["method"]
    frame = frame_of([line])
    assert frame[["base", "form", "variant"]].to_numpy().tolist() == [["e3va-reference", "", ""]]


def test_settings_are_what_cases_say(record) -> None:
    line = record("voc", "swin_large", "full", reserved_mib=1_000, anything_new=3)
    assert set(settings_of(frame_of([line]))) == line["case"].keys() - {"task", "method", "engine"}
    assert settings_of(select(frame_of([line]), **SINGLE)) == settings_of(frame_of([line]))


def test_rows_of_one_table_share_a_new_setting(record) -> None:
    lines = [
        record("voc", "swin_large", "full", reserved_mib=1_000, anything_new=[1, 2]),
        record("voc", "swin_large", "lora", reserved_mib=1_000, anything_new=[1, 2]),
        record("voc", "swin_large", "e3va", reserved_mib=1_000, anything_new=[1, 3]),
    ]
    rows = select(frame_of(lines), **SINGLE)
    assert rows["method"].tolist() == ["full", "lora"]
    assert rows["anything_new"].tolist() == ["1 x 2", "1 x 2"]


def test_a_case_that_lacks_a_setting_takes_the_usual_value(record) -> None:
    settings = ({"anything_new": 5}, {"anything_new": 5}, {"anything_new": 7}, {})
    lines = [record("voc", "swin_large", "full", reserved_mib=1_000, **more) for more in settings]
    assert frame_of(lines)["anything_new"].tolist() == [5, 5, 7, 5]


def test_rows_whose_setting_is_null_stand_together(record) -> None:
    lines = [record("voc", "swin_large", name, reserved_mib=1_000, anything_new=None) for name in ("full", "lora")]
    rows = select(frame_of(lines), **SINGLE)
    assert rows["method"].tolist() == ["full", "lora"]
    assert rows["anything_new"].tolist() == [MISSING, MISSING]


def test_the_latest_of_several_results_is_shown(record) -> None:
    lines = [record("voc", "swin_large", "full", reserved_mib=mib) for mib in (4_000, 2_000, 3_000)]
    assert select(frame_of(lines), **SINGLE)["reserved_mib"].tolist() == [3_000.0]


def test_the_latest_for_each_value_of_a_free_setting(record) -> None:
    lines = [
        record("voc", "swin_large", "full", reserved_mib=mib, checkpointing=checkpointing)
        for mib, checkpointing in ((4_000, False), (2_000, True), (3_000, False), (1_000, True))
    ]
    rows = select(frame_of(lines), free=("checkpointing",), **SINGLE)
    assert rows.set_index("checkpointing")["reserved_mib"].to_dict() == {False: 3_000.0, True: 1_000.0}
