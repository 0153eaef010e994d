from reports.paper.authors_logs import logs_table
from reports.records import frame_of


def test_logs_beside_the_paper_and_ours(record) -> None:
    lines = [
        record("ade20k", "swin_large", "full", reserved_mib=1, params=194_998_164),
        record("voc", "swin_large", "full", reserved_mib=1, params=194_997_780),
        record("voc", "swin_large", "lora", reserved_mib=1, params=4_620_290),
    ]
    assert logs_table(frame_of(lines)).cells.to_numpy().tolist() == [
        ["Full", "ADE20K", "198.58", "194 998 164", "194 998 164", "0"],
        ["Adapter", "VOC", "4.66", "4 659 456", "–", "–"],
        ["LoRA", "VOC", "4.57", "4 620 288", "4 620 290", "2"],
    ]


def test_nothing_without_a_count_of_ours(record) -> None:
    assert logs_table(frame_of([record("coco", "swin_base", "full", reserved_mib=1)])) is None
    assert logs_table(frame_of([])) is None
