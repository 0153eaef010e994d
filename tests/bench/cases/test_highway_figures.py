"""What the forms of the highway promise, at the paper's full size: memory above the frozen model, simulated."""

import functools

import pytest

from bench import Case, measure
from bench.cases.further_grids import forms_grid


@functools.cache
def _above_fixed_bytes(method: str) -> int:
    """Of Swin-L, two images of 608 x 1024, RetinaNet, fp32."""
    case = Case(task="voc", method=method, engine="simulate")
    assert (case.backbone, case.batch_size, case.image_size) == ("swin_large", 2, (608, 1024))
    peak: int = measure(case).memory["peak_allocated_bytes"]
    return peak if method == "fixed" else peak - _above_fixed_bytes("fixed")


@pytest.mark.parametrize(
    "size", ["e3va", *(pytest.param(size, marks=pytest.mark.nightly) for size in ("e3va+", "e3va++"))]
)
def test_fused_takes_half_of_what_plain_modules_take(size: str) -> None:
    assert _above_fixed_bytes(size) <= 0.5 * _above_fixed_bytes(f"{size}-reference")


def test_recomputing_takes_a_tenth() -> None:
    assert 0 < _above_fixed_bytes("e3va-recompute") <= 0.1 * _above_fixed_bytes("e3va-reference")


@pytest.mark.nightly
def test_rank_hardly_costs_memory() -> None:
    assert _above_fixed_bytes("e3va") < _above_fixed_bytes("e3va++") <= 1.08 * _above_fixed_bytes("e3va")


@pytest.mark.nightly
def test_a_trunk_in_bfloat16_halves_blocks_and_taps() -> None:
    """Half of the blocks' weights, and of the branch outputs that the highway keeps: arithmetic of Swin-L."""
    case = Case(task="voc", method="e3va", engine="simulate")
    full, half = (measure(Case(task="voc", method="e3va", engine="simulate", bf16_trunk=on)) for on in (False, True))
    widths, depths = [192, 384, 768, 1536], [2, 2, 18, 2]
    blocks = sum(n * (12 * d**2 + 13 * d + 169 * d // 32) for d, n in zip(widths, depths, strict=True))
    saved = full.memory["at_peak"]["parameters"] - half.memory["at_peak"]["parameters"]
    # The allocator leaves up to 1 MiB behind a large tensor unsplit, and counts it as allocated.
    assert saved == pytest.approx(2 * blocks, rel=0.03)
    tokens = [case.batch_size * (608 // 2**k) * (1024 // 2**k) for k in (2, 3, 4, 5)]
    taps = sum(2 * n * t * d for n, t, d in zip(depths, tokens, widths, strict=True))
    saved = full.memory["at_peak"]["activations"] - half.memory["at_peak"]["activations"]
    assert saved == pytest.approx(2 * taps, rel=0.02)


def test_the_grid_has_every_form_beside_fixed_once() -> None:
    cases = forms_grid()
    assert len(cases) == len(set(cases)) == 1 + 9 + 4 + 5
    assert {case.task for case in cases} == {"voc"}
    assert {case.method for case in cases if case.engine == "cpu"} == {
        "full", "fixed", "e3va-reference", "e3va", "e3va-recompute",
    }  # fmt: skip
