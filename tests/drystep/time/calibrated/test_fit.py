"""Factors of made-up steps, whose true factors are known."""

import pytest
import torch
from torch import Tensor

from drystep.time.calibrated.fit import LEAST, MOST, cross_validated, fit

TRUE = torch.tensor([1.3, 40.0, 0.9, 2.5], dtype=torch.float64)
TYPICAL = torch.tensor([1.0, 25.0, 1.4, 2.0], dtype=torch.float64)
STEPS = 200


@pytest.fixture
def columns_ms() -> Tensor:
    """(200, 4) steps of 1 to 100 ms, to which each resource contributes a share of its own."""
    shares = torch.rand(STEPS, 4, dtype=torch.float64) ** 2 / TRUE
    return shares * torch.logspace(0, 2, STEPS, dtype=torch.float64)[:, None]


def test_exact_steps_give_back_their_factors(columns_ms: Tensor) -> None:
    fitted = fit(columns_ms, columns_ms @ TRUE, TYPICAL)
    torch.testing.assert_close(fitted.factors, TRUE, rtol=0.05, atol=0)
    torch.testing.assert_close(fitted.predicted_ms, columns_ms @ TRUE, rtol=0.02, atol=0)


def test_noise_averages_out(columns_ms: Tensor) -> None:
    noise = torch.exp(0.1 * torch.randn(STEPS, dtype=torch.float64))
    fitted = fit(columns_ms, columns_ms @ TRUE * noise, TYPICAL)
    torch.testing.assert_close(fitted.factors, TRUE, rtol=0.1, atol=0)


def test_outliers_hardly_count(columns_ms: Tensor) -> None:
    """By least squares alone, ten steps of five times their length would raise the prediction by a fifth or so."""
    measured_ms = columns_ms @ TRUE
    measured_ms[::20] *= 5
    fitted = fit(columns_ms, measured_ms, TYPICAL)
    torch.testing.assert_close(fitted.factors, TRUE, rtol=0.07, atol=0)


def test_steps_of_all_lengths_count_the_same(columns_ms: Tensor) -> None:
    """Where most steps take a millisecond and the others a second, and both disagree, most steps are right."""
    lengths = torch.ones(STEPS, 1, dtype=torch.float64)
    lengths[120:] = 1000
    columns_ms = lengths * columns_ms / columns_ms.sum(1, keepdim=True)
    measured_ms = columns_ms @ TRUE
    measured_ms[120:] *= 1.2
    ratios = fit(columns_ms, measured_ms, TYPICAL).predicted_ms / measured_ms
    assert float(ratios[:120].mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("times", "bound"), [(100.0, MOST), (0.001, LEAST)])
def test_factors_stay_within_their_bounds(columns_ms: Tensor, times: float, bound: float) -> None:
    factors = fit(columns_ms, times * (columns_ms @ TRUE), TYPICAL).factors
    torch.testing.assert_close(factors, bound * TYPICAL, rtol=1e-6, atol=0)


def test_what_hardly_occurs_stays_near_the_typical_factor(columns_ms: Tensor) -> None:
    """A column that is a ten-thousandth of one step says nothing, whatever that step took."""
    rare = torch.zeros(STEPS, 2, dtype=torch.float64)
    rare[7, 0] = 1e-4 * (columns_ms @ TRUE)[7]
    measured_ms = columns_ms @ TRUE
    measured_ms[7] *= 1.3
    typical = torch.cat([TYPICAL, torch.tensor([3.0, 11.0], dtype=torch.float64)])
    factors = fit(torch.cat([columns_ms, rare], 1), measured_ms, typical).factors
    assert float(factors[4]) == pytest.approx(3.0, rel=0.1)
    assert float(factors[5]) == pytest.approx(11.0)


FAMILIES = tuple("abcd"[number % 4] for number in range(STEPS))


def test_whole_families_are_left_out(columns_ms: Tensor) -> None:
    """Steps of one family take 1.5 times as long: the fit without them cannot know it, whatever their number."""
    of_one = torch.tensor([family == "c" for family in FAMILIES])
    measured_ms = columns_ms @ TRUE
    measured_ms[of_one] *= 1.5
    ratios = cross_validated(columns_ms, measured_ms, FAMILIES, TYPICAL) / measured_ms
    assert float(ratios[of_one].mean()) == pytest.approx(1 / 1.5, rel=0.02)
    fitted = fit(columns_ms, measured_ms, TYPICAL).predicted_ms / measured_ms
    assert float(ratios[~of_one].mean()) == pytest.approx(float(fitted[~of_one].mean()), rel=0.05)


def test_a_resource_of_one_family_is_typical_to_the_others(columns_ms: Tensor) -> None:
    own = torch.zeros(STEPS, 1, dtype=torch.float64)
    of_one = torch.tensor([family == "b" for family in FAMILIES])
    own[of_one] = columns_ms[of_one].sum(1, keepdim=True)
    everything, true = torch.cat([columns_ms, own], 1), torch.cat([TRUE, TRUE.new_tensor([8.0])])
    typical = torch.cat([TYPICAL, TYPICAL.new_tensor([2.0])])
    predicted_ms = cross_validated(everything, everything @ true, FAMILIES, typical)
    torch.testing.assert_close(
        predicted_ms[of_one], (everything @ torch.cat([TRUE, TRUE.new_tensor([2.0])]))[of_one], rtol=0.05, atol=0
    )
    torch.testing.assert_close(predicted_ms[~of_one], (everything @ true)[~of_one], rtol=0.05, atol=0)


def test_one_family_alone_has_no_error(columns_ms: Tensor) -> None:
    with pytest.raises(ValueError, match="all steps are of the family resnet: an error needs steps of at least two"):
        cross_validated(columns_ms, columns_ms @ TRUE, ["resnet"] * STEPS, TYPICAL)
