"""An operator without a kernel on meta: the sentence says how to register one, and what it says works."""

import re

import pytest
import torch

from drystep import SimulationError, simulate


@torch.library.custom_op("drystep_test::without_fake", mutates_args=())
def without_fake(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


def _build(device: torch.device):
    layer = torch.nn.Linear(8, 8).to(device)
    images = torch.zeros(4, 8, device=device)
    return lambda: (without_fake(layer(images).detach()), layer(images).sum().backward())


def test_the_sentence_names_the_operator_and_its_recipe_works() -> None:
    with pytest.raises(SimulationError) as caught:
        simulate(_build)
    message = str(caught.value)
    assert "drystep_test.without_fake.default has no kernel for the meta device" in message
    assert "drystep.register_operator" in message
    recipe = re.search(r"torch\.library\.register_fake\(.*?\)\)", message)
    assert recipe is not None
    exec(recipe.group(), {"torch": torch})
    trace = simulate(_build).trace
    sizes = [a.requested_bytes for a in trace.allocations if "without_fake" in trace.operators[a.operator].name]
    assert set(sizes) == {4 * 8 * 4}
