"""What the mechanism demands of the figures at full size, and nothing about how many bytes they are."""

import pytest

from bench import Case, measure
from bench.methods import METHODS

BACKPROPAGATE = ("norm_tuning", "bitfit", "lora", "adapter", "adaptformer", "lorand")
HIGHWAYS = ("e3va", "e3va+", "e3va++")


@pytest.fixture(scope="module", params=["voc", "ade20k", "coco"])
def peaks(request: pytest.FixtureRequest) -> dict[str, int]:
    cases = [Case(task=request.param, method=method, engine="simulate") for method in METHODS]
    return {case.method: measure(case).memory["peak_allocated_bytes"] for case in cases}


@pytest.mark.slow
def test_only_what_backpropagates_through_the_backbone_pays_for_it(peaks: dict[str, int]) -> None:
    """{fixed, partial1} < E3VA << {methods inside the backbone} < full."""
    frozen = max(peaks["fixed"], peaks["partial1"])
    cheap = [peaks[method] for method in HIGHWAYS]
    dear = [peaks[method] for method in BACKPROPAGATE]
    assert frozen < min(cheap)
    assert max(cheap) < 0.8 * min(dear)
    assert max(dear) < peaks["full"]


@pytest.mark.slow
def test_rank_hardly_costs_memory(peaks: dict[str, int]) -> None:
    assert peaks["e3va"] < peaks["e3va+"] < peaks["e3va++"] < 1.05 * peaks["e3va"]


def test_memory_grows_with_the_batch() -> None:
    one, two = (
        measure(Case(task="coco", method="e3va", backbone="swin_large", batch_size=size, engine="simulate"))
        for size in (1, 2)
    )
    assert one.memory["at_peak"]["parameters"] == two.memory["at_peak"]["parameters"]
    assert 1.9 < two.memory["at_peak"]["activations"] / one.memory["at_peak"]["activations"] < 2.1
