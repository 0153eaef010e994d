"""What kernels take, by arithmetic on a card with round peaks and made-up factors."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drystep.gpus.peaks import Peaks
from drystep.operators import Work
from drystep.time.calibrated.calibration import Calibration, Errors, write_calibration
from drystep.time.calibrated.spread import NEVER_MEASURED, Spread
from drystep.time.calibrated.typical import typical_factor
from drystep.time.measured_operators import achieved_on
from drystep.time.prices import LAUNCH_US, OPERATORS_ERROR, OTHER_CARD_ERROR, Prices, prices_of

V100 = "Tesla V100-PCIE-32GB"
CARD = Peaks(fp32_tflops=10.0, fp16_tflops=40.0, bandwidth_gbs=500.0, multiprocessors=80, operators=V100, scaled=False)
CALIBRATION = Calibration(
    card="another",
    mode="train",
    factors={
        ("elementwise", "bytes"): 2.0,
        ("linear.half", "bytes"): 3.0,
        ("linear.half", "operations"): 4.0,
        ("linear.single", "bytes"): 3.0,
        ("linear.single", "operations"): 4.0,
        ("batch_norm.forward.nchw", "bytes"): 5.0,
        ("batch_norm.forward.nchw", "items"): 6.0,
    },
    kernel_us=7.0,
    spread=Spread({"elementwise": 0.1, "linear.half": 0.2, "linear.single": 0.2, "batch_norm.forward.nchw": 0.3}, 1.5),
    errors=Errors(40, 9.5, 7.25, 21.0, 55.5, 80.0),
    source="made up",
    measured_with="nothing",
    date="2026-11-26",
    families=12,
)
ADDITION = Work("elementwise", 0, 500_000_000, 1, torch.float32, group="elementwise")  # 1 ms at 500 GB/s
PRODUCT = Work("linear", 10**10, 5 * 10**6, 1, torch.float32, 2000, 2000, group="linear.single")  # 1 ms, 10 us
HALF = replace(PRODUCT, dtype=torch.float16, group="linear.half")  # 250 us at 40 TFLOPS
NORM = Work("broadcast", 0, 500_000, 1, torch.float32, group="batch_norm.forward.nchw", items=10**7)  # 1 us each
UNKNOWN = Work("elementwise", 0, 500_000, 2, torch.float16, group="fill")


def _operators_us(work: Work) -> float:
    """By the curves of operators that were measured one by one."""
    ideal_us = max(work.moved_bytes / 500e3, work.flops / (40e6 if work.dtype == torch.float16 else 10e6))
    return ideal_us / achieved_on(CARD, "card").fraction(work, ideal_us / work.kernels)


@pytest.fixture
def file(tmp_path: Path) -> str:
    write_calibration(CALIBRATION, tmp_path / "card.json")
    return str(tmp_path / "card.json")


@pytest.fixture
def calibrated(file: str) -> Peaks:
    """A card with factors and without operators."""
    return replace(CARD, factors=file, operators="")


def test_factors_lengthen_each_resource_and_kernels_take_time(calibrated: Peaks) -> None:
    prices = prices_of(calibrated, "card", "train")
    assert prices.kernels_us(ADDITION) == pytest.approx(2 * 1000 + 7)
    assert prices.kernels_us(PRODUCT) == pytest.approx(3 * 10 + 4 * 1000 + 7)
    assert prices.kernels_us(HALF) == pytest.approx(3 * 10 + 4 * 250 + 7)
    assert prices.kernels_us(NORM) == pytest.approx(5 * 1 + 6 * 1 + 7)
    assert prices.kernels_us(UNKNOWN) == pytest.approx(typical_factor(("fill", "bytes")) * 1 + 2 * 7)
    assert prices.launch_us == LAUNCH_US


def test_own_operators_hold_in_single_precision_and_factors_otherwise(file: str) -> None:
    prices = prices_of(replace(CARD, factors=file), "card", "train")
    assert prices.kernels_us(PRODUCT) == pytest.approx(_operators_us(PRODUCT))
    assert prices.kernels_us(ADDITION) == pytest.approx(_operators_us(ADDITION))
    assert prices.kernels_us(HALF) == pytest.approx(3 * 10 + 4 * 250 + 7)
    assert prices.kernels_us(NORM) == pytest.approx(5 + 6 + 7)  # it was not measured alone
    assert prices.kernels_us(UNKNOWN) == pytest.approx(_operators_us(UNKNOWN))
    assert prices.launch_us == achieved_on(CARD, "card").launch_us


def test_another_cards_operators_hold_where_factors_know_nothing(file: str) -> None:
    prices = prices_of(replace(CARD, factors=file, scaled=True), "card", "train")
    assert prices.kernels_us(PRODUCT) == pytest.approx(3 * 10 + 4 * 1000 + 7)
    assert prices.kernels_us(ADDITION) == pytest.approx(2 * 1000 + 7)
    assert prices.kernels_us(UNKNOWN) == pytest.approx(_operators_us(UNKNOWN))


def test_without_factors_norms_are_typical() -> None:
    prices = prices_of(CARD, "card", "train")
    norm = typical_factor((NORM.group, "bytes")) + typical_factor((NORM.group, "items"))
    assert prices.kernels_us(NORM) == pytest.approx(norm)
    assert prices.coverage == 0
    product = prices.kernels_us(PRODUCT)
    assert product == pytest.approx(_operators_us(PRODUCT))
    assert prices.coverage == pytest.approx(product / (product + norm))


def test_coverage_is_the_part_of_the_time_that_was_measured(calibrated: Peaks) -> None:
    prices = prices_of(calibrated, "card", "train")
    assert prices.coverage == 0  # nothing was priced
    known, unknown = prices.kernels_us(NORM), prices.kernels_us(UNKNOWN)
    assert prices.coverage == pytest.approx(known / (known + unknown))


def _priced(peaks: Peaks, *parts: Work) -> Prices:
    prices = prices_of(peaks, "card", "train")
    for part in parts:
        prices.kernels_us(part)
    return prices


def test_what_most_of_the_time_rests_on(calibrated: Peaks, file: str) -> None:
    steps, operators = "40 steps measured on another", f"operators of NeuSight measured one by one on {V100}"
    assert _priced(calibrated, ADDITION).rests_on == (steps,)
    assert _priced(calibrated, UNKNOWN).rests_on == ()
    both = replace(CARD, factors=file)
    assert _priced(both, PRODUCT, HALF).rests_on == (steps, operators)
    assert _priced(both, PRODUCT, NORM).rests_on == (operators,)  # less than a twentieth
    assert _priced(both, HALF, UNKNOWN).rests_on == (steps,)


def test_spreads_of_one_source(calibrated: Peaks, file: str) -> None:
    assert _priced(calibrated).spread == 0
    assert _priced(calibrated, ADDITION).spread == pytest.approx(1.5 * 0.1)
    assert _priced(calibrated, HALF).spread == pytest.approx(1.5 * 0.2)
    assert _priced(calibrated, UNKNOWN).spread == pytest.approx(1.5 * NEVER_MEASURED)
    assert _priced(replace(CARD, factors=file), PRODUCT).spread == pytest.approx(OPERATORS_ERROR)
    assert _priced(CARD, PRODUCT).spread == pytest.approx(OPERATORS_ERROR)
    assert _priced(CARD, NORM).spread == pytest.approx(NEVER_MEASURED)


def test_spreads_of_several_sources_add_by_their_squares(file: str) -> None:
    """The product rests on operators, the half-precision one on factors."""
    prices = prices_of(replace(CARD, factors=file), "card", "train")
    single, half = prices.kernels_us(PRODUCT), prices.kernels_us(HALF)
    squares = (single * OPERATORS_ERROR**2 + half * (1.5 * 0.2) ** 2) / (single + half)
    assert prices.spread == pytest.approx(math.sqrt(squares))


def test_other_cards_have_wider_intervals(calibrated: Peaks) -> None:
    own, scaled = _priced(calibrated, ADDITION), _priced(replace(calibrated, scaled=True), ADDITION)
    assert scaled.spread == pytest.approx(math.hypot(own.spread, OTHER_CARD_ERROR))
    assert (own.scaled, scaled.scaled) == (False, True)


def test_factors_of_the_other_mode_are_scaled(calibrated: Peaks) -> None:
    own, other = prices_of(calibrated, "card", "train"), prices_of(calibrated, "card", "inference")
    assert own.kernels_us(ADDITION) == other.kernels_us(ADDITION)
    assert (own.scaled, other.scaled) == (False, True)
    assert other.spread == pytest.approx(math.hypot(own.spread, OTHER_CARD_ERROR))


def test_operators_in_half_precision_are_scaled(file: str) -> None:
    """They were measured in single precision, where a card's factors say nothing."""
    assert not _priced(replace(CARD, factors=file), HALF, PRODUCT).scaled
    assert _priced(CARD, HALF).scaled


def test_a_card_of_which_nothing_is_known() -> None:
    unknown = replace(CARD, operators="")
    with pytest.raises(ValueError, match="unknown calibrated card 'no such card': choose from h200-141gb, "):
        prices_of(replace(unknown, factors="no such card"), "my card", "train")
    with pytest.raises(ValueError, match=r"my card has no usable operators \(''\): name the measured card"):
        prices_of(unknown, "my card", "train")
    with pytest.raises(ValueError, match=r"none\.json is not a calibration"):
        prices_of(replace(CARD, factors="none.json"), "my card", "train")
