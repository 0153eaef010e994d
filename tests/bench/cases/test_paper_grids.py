import pytest

from bench.cases.methods import PAPER_METHODS
from bench.cases.paper_grids import grid, probable_table4, under_paper_settings


def test_the_grids_are_the_papers() -> None:
    expected = {1: 2 * 16, 2: 16 + 2, 3: 3 * 14, 4: 2 * 16}
    assert {table: len(grid([table])) for table in expected} == expected
    assert {case.backbone for case in grid([1])} == {"swin_large"}
    assert {(case.task, case.image_size, case.batch_size) for case in grid([1, 2])} == {
        ("voc", (608, 1024), 2),
        ("ade20k", (512, 512), 2),
        ("coco", (800, 1344), 2),
    }
    assert {case.engine for case in grid([3])} == {"cpu"}
    published = {"e3va-reference", "e3va+-reference", "e3va++-reference"}
    ours = {"e3va", "e3va-recompute"}
    assert {case.method for case in grid([3])} == set(PAPER_METHODS) - {"e3va+", "e3va++"} | published | ours


def test_rois_keep_their_share_of_a_small_image() -> None:
    (case, *_) = [case for case in grid([3]) if case.task == "coco"]
    height, width = case.image_size
    assert case.rois_per_image == round(512 * height * width / (800 * 1344))


def test_shared_cases_run_once_and_simulations_first() -> None:
    cases = grid([1, 2, 3, 4])
    assert len(cases) == len(set(cases)) == 32 + 18 + 42 + 32 - 2  # E3VA on Swin-L is in Tables 2 and 4
    engines = [case.engine for case in cases]
    assert engines == sorted(engines, key=lambda engine: engine != "simulate")


def test_unknown_tables() -> None:
    with pytest.raises(ValueError, match="unknown table 7: choose from 1, 2, 3, 4"):
        grid([1, 7])


def test_the_papers_settings() -> None:
    cases = under_paper_settings()
    assert {(case.precision, case.profile) for case in cases} == {("apex-o1", "mm-2021")}
    assert {(case.task, case.backbone) for case in cases} == {("voc", "swin_large"), ("coco", "swin_base")}
    assert {(case.batches, case.stretch) for case in cases} == {(1, "worst"), (8, "first")}
    highways = {case.method for case in cases if case.method.startswith("e3va")}
    assert highways == {"e3va-reference", "e3va+-reference", "e3va++-reference"}  # the paper describes plain modules
    assert len(set(cases)) == 2 * 2 * 12


def test_the_probable_rules_of_table_4() -> None:
    cases = probable_table4()
    assert len(set(cases)) == 12 * 2
    assert {(case.task, case.backbone) for case in cases} == {("coco", "swin_large")}
    assert {(case.profile, case.precision, case.batches, case.stretch) for case in cases} == {
        ("mm-2021", "fp32", 4, "worst")
    }
    assert "e3va" not in {case.method for case in cases}
