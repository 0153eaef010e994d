import pandas as pd

from reports.comparisons.ablations import ACCURACIES
from reports.paper.absent import NEEDED, absent_tables
from reports.records import PUBLISHED, published


def test_a_line_for_each_table_that_is_not_built() -> None:
    titles = ["Table 1. Swin-L", "Table 3 predicted. VOC", "Table 4 under its probable rules"]
    lines = absent_tables(titles, [1, 3, 4])
    assert [line.split(" is missing")[0] for line in lines] == ["Table 3", "Table 4"]
    assert "measured on a CPU" in lines[0]


def test_every_table_of_the_paper_is_known() -> None:
    assert list(NEEDED) == [1, 2, 3, 4, 5, 6]
    assert {name.split("_")[0] for name in ACCURACIES} == {"table5", "table6"}


def test_low_rank_and_parallel_are_both_e3va() -> None:
    """Table 5 here has one row for both, and Table 1 has the accuracy that the paper gives for either."""
    accuracy = published("table1_voc_ade20k_swin_large").set_index("key").loc["e3va", "voc_ap_box_pct"]
    rows = pd.read_csv(PUBLISHED / "table5_ablation_structure_voc.csv").set_index("variant")["ap_box_pct"]
    assert rows["E3VA low-rank"] == rows["E3VA parallel"] == accuracy
