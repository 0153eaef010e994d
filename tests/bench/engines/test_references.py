from dataclasses import replace

import pytest

from bench import Case
from bench.cases.further_grids import ablation_grid, forms_grid, rivals_grid
from bench.cases.paper_grids import table3
from bench.engines.references import References
from bench.engines.settings import Settings

FULL = Case(task="voc", method="full", backbone="swin_tiny", image_size=(32, 32), engine="cpu")


def _references(*requested: Case) -> References:
    def open_child(case: Case, settings: Settings) -> None:
        pytest.fail("no process is needed to say what the reference is")

    return References(requested, Settings(), open_child)


def test_the_reference_is_full_as_anybody_trains_it() -> None:
    """It keeps its activations, and computes in one precision, whatever the case spares."""
    references = _references(FULL)
    for method in ("fixed", "e3va"):
        assert references.case_for(replace(FULL, method=method)) == FULL
        assert references.case_for(replace(FULL, method=method, checkpointing=True)) == FULL
    assert references.case_for(replace(FULL, checkpointing=True)) == FULL
    lowered = replace(FULL, method="e3va", engine="simulate", bf16_trunk=True)
    assert _references(replace(FULL, engine="simulate")).case_for(lowered) == replace(FULL, engine="simulate")


def test_full_has_no_reference_and_neither_has_what_nobody_asked_full_of() -> None:
    assert _references(FULL).case_for(FULL) is None
    assert _references().case_for(replace(FULL, method="fixed")) is None
    assert _references(replace(FULL, method="fixed")).case_for(replace(FULL, method="e3va")) is None
    assert _references(FULL).case_for(replace(FULL, method="fixed", batch_size=1)) is None
    checkpointed = replace(FULL, checkpointing=True)
    assert _references(checkpointed).case_for(replace(checkpointed, method="fixed")) is None


def test_every_row_of_the_tables_times_has_a_reference() -> None:
    """So that each of their cells can be a ratio of steps in turns."""
    grids = (table3(), ablation_grid(), forms_grid(), rivals_grid())
    for grid in grids:
        timed = [case for case in grid if case.engine == "cpu"]
        references = _references(*timed)
        without = [case for case in timed if references.case_for(case) is None]
        assert timed and all(case.method == "full" and not case.checkpointing for case in without)
        assert len(without) == len({case.task for case in timed})
