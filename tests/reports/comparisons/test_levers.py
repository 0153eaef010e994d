from typing import Any

import pytest

from bench.cases.further_grids import LEVERS as GRID_LEVERS
from bench.cases.further_grids import levers_grid
from reports.cells import MISSING
from reports.comparisons.levers import LEVERS, levers_table
from reports.records import frame_of

TOGETHER_MIB = (32_000, 16_000, 12_000, 11_000, 8_000, 6_000, 4_000)
TOGETHER_MS = (1_000, 1_250, 800, 700, 600, 300, 500)
ALONE_MIB = (24_000, 28_000, 20_000, 10_000, 8_000)
"""Checkpointing alone is the second row of the others."""


@pytest.fixture
def chain(record) -> list[dict[str, Any]]:
    """A result of each case of the grid, in its order; a bfloat16 time exists for one card alone."""
    lines = []
    for case, reserved_mib in zip(dict.fromkeys(levers_grid()), (*TOGETHER_MIB, *ALONE_MIB), strict=True):
        settings = {name: getattr(case, name) for name in ("checkpointing", "precision", "fused_attention")}
        line = record("coco", "swin_large", case.method, reserved_mib=reserved_mib, **settings)
        step_ms = TOGETHER_MS[len(lines)] if len(lines) < len(TOGETHER_MS) else 900
        old = {"missing": "no bfloat16"} if case.precision == "amp-bf16" else {"step_ms": 2_000.0}
        line["predicted_time"] = {"p100-16gb": old, "rtx-3090-24gb": {"step_ms": float(step_ms)}}
        lines.append(line)
    return lines


def test_each_lever_adds_to_those_above_it(chain) -> None:
    cells = levers_table(frame_of(chain)).cells
    assert list(cells["reserved MiB"]) == ["32 000", "16 000", "12 000", "11 000", "8 000", "6 000", "4 000"]
    assert list(cells["MiB saved"]) == [MISSING, "16 000", "4 000", "1 000", "3 000", "2 000", "2 000"]
    assert list(cells["rtx-3090-24gb ms"]) == ["1 000", "1 250", "800", "700", "600", "300", "500"]
    assert list(cells["ms added"]) == [MISSING, "+250", "-450", "-100", "-100", "-300", "+200"]
    shares = cells["% of Full"].to_numpy()
    assert list(shares[:, 0]) == ["100.0", "50.0", "37.5", "34.4", "25.0", "18.8", "12.5"]
    assert list(shares[:, 1]) == ["100.0", "125.0", "80.0", "70.0", "60.0", "30.0", "50.0"]


def test_each_lever_alone_is_beside_full(chain) -> None:
    cells = levers_table(frame_of(chain)).cells
    # 16 000, 24 000, 28 000, ... of 32 000
    assert list(cells["alone, % of Full's MiB"]) == ["100.0", "50.0", "75.0", "87.5", "62.5", "31.2", "25.0"]
    assert list(cells["alone, % of Full's ms"]) == ["100.0", "125.0", *["90.0"] * 5]


def test_the_smallest_card_that_runs_it(chain) -> None:
    cells = levers_table(frame_of(chain)).cells
    # Usable: 10 000, 15 600, 23 000 and 31 000 MiB; as much as 500 more runs with retries.
    assert list(cells["smallest card"]) == [
        "none of them", "p100-16gb", "p100-16gb", "p100-16gb", *["gtx-1080ti-11gb"] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("missing", range(len(TOGETHER_MIB)))
def test_no_table_of_an_incomplete_chain(chain, missing: int) -> None:
    case = chain[missing]["case"]
    assert levers_table(frame_of([line for line in chain if line["case"] != case])) is None


def test_without_times_and_without_single_levers(chain) -> None:
    for line in chain:
        line["predicted_time"] = {}
    headings = list(levers_table(frame_of(chain[: len(TOGETHER_MIB)])).cells)
    assert headings == ["Lever", "reserved MiB", "MiB saved", "% of Full", "smallest card"]


def test_the_grid_measures_what_the_table_shows() -> None:
    assert [dict(lever.changes) for lever in LEVERS] == [{}, *GRID_LEVERS]
