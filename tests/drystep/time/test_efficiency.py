"""Between measured sizes by hand: a tenth of the size is as far below as ten times it is above."""

from dataclasses import replace

import pytest
import torch

from drystep.operators import Work
from drystep.time.efficiency import LONG, NARROW, WIDE, Achieved, interpolate, shape_of

POINTS = ((1.0, 0.2), (100.0, 0.6), (400.0, 0.8))
PRODUCT = Work("linear", 10**9, 10**6, 1, torch.float32, 512, 1024)


@pytest.mark.parametrize(
    ("ideal_us", "fraction"),
    [
        (1.0, 0.2),
        (10.0, 0.4),  # in the middle between 1 and 100, by ratios
        (100.0**0.75, 0.5),
        (100.0, 0.6),
        (200.0, 0.7),  # in the middle between 100 and 400, by ratios
        (400.0, 0.8),
    ],
)
def test_linear_in_the_logarithm_of_the_size(ideal_us: float, fraction: float) -> None:
    assert interpolate(POINTS, ideal_us) == pytest.approx(fraction)


def test_constant_beyond_both_ends() -> None:
    assert interpolate(POINTS, 1e-3) == 0.2
    assert interpolate(POINTS, 1e6) == 0.8
    assert interpolate(POINTS[:1], 10.0) == 0.2


@pytest.mark.parametrize(
    ("kind", "narrowest", "reduced", "shape"),
    [
        ("linear", 256, 9000, NARROW),
        ("linear", 257, 4096, WIDE),
        ("linear", 257, 4097, LONG),
        ("bmm", 32, 0, "min_dim<=32"),
        ("bmm", 33, 0, "min_dim33-64"),
        ("attention", 65, 0, "min_dim65-128"),
        ("bmm", 129, 0, "min_dim>128"),
        ("conv", 64, 0, "min_channel<=64"),
        ("conv", 256, 0, "min_channel65-256"),
        ("conv", 257, 0, "min_channel>256"),
        ("softmax", 0, 1024, "row<=1024"),
        ("layer_norm", 0, 1025, "row>1024"),
    ],
)
def test_classes_of_shape_include_their_upper_ends(kind: str, narrowest: int, reduced: int, shape: str) -> None:
    assert shape_of(replace(PRODUCT, kind=kind, narrowest=narrowest, reduced=reduced)) == shape  # type: ignore[arg-type]


def test_attention_goes_by_products_and_the_rest_by_a_constant() -> None:
    achieved = Achieved({("bmm", "min_dim33-64"): POINTS, ("linear", WIDE): ((1.0, 0.9),)}, {"copy": 0.5}, 5.0)
    assert achieved.fraction(replace(PRODUCT, kind="attention", narrowest=64), 10.0) == pytest.approx(0.4)
    assert achieved.fraction(PRODUCT, 10.0) == 0.9
    assert achieved.fraction(replace(PRODUCT, kind="copy", flops=0), 10.0) == 0.5
