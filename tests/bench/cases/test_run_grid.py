from dataclasses import replace

from bench.cases.further_grids import allocators_grid, runs_grid
from bench.cases.paper_grids import grid


def test_every_run_has_its_single_shape() -> None:
    cases = runs_grid()
    runs = [case for case in cases if case.batches > 1]
    assert {(run.task, run.method, run.batches) for run in runs} == {
        (task, method, 12) for task in ("voc", "coco") for method in ("full", "lora", "e3va")
    }
    assert {replace(run, batches=1) for run in runs} == {case for case in cases if case.batches == 1}


def test_the_single_shapes_are_those_of_the_papers_tables() -> None:
    assert {case for case in runs_grid() if case.batches == 1} <= set(grid([1, 2]))


def test_every_run_with_expandable_segments_has_its_default() -> None:
    cases = allocators_grid()
    expandable = [case for case in cases if case.alloc_conf]
    assert {(case.task, case.batches, case.alloc_conf) for case in expandable} == {
        ("voc", 12, "expandable_segments:True")
    }
    default = {replace(case, alloc_conf="") for case in expandable}
    assert default == {*cases} - {*expandable}
    assert default <= {*runs_grid()}  # these are simulated anyway
