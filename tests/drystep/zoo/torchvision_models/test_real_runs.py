"""The code of torchvision's models, simulated, and run on the CPU: the same peaks."""

from typing import Any

import pytest

from tests.drystep.real_runs.comparison import peak_bytes, traces
from tests.drystep.zoo.steps import build_step

STEPS: dict[str, tuple[tuple[int, int] | None, dict[str, Any]]] = {
    "resnet18": ((64, 64), {}),
    "resnet50": ((64, 64), {"checkpointing": True}),
    "swin_t": ((64, 64), {"method": "lora", "checkpointing": True}),
    "vit_b_16": ((32, 32), {"fused_attention": "off", "method": "lora"}),
    "fcn_resnet50": ((64, 64), {"method": "last-2", "classes": 5}),
    "maskrcnn_resnet50_fpn": ((64, 64), {"objects": 2, "method": "head"}),
    "keypointrcnn_resnet50_fpn": ((64, 64), {"objects": 2, "method": "norm"}),
    "r3d_18": ((32, 32), {"frames": 4, "checkpointing": True}),
}
"""Model -> size of its images and settings."""
ALWAYS = ("resnet18", "r3d_18")
ROWS = [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.nightly, id=name) for name in STEPS]


@pytest.mark.parametrize("name", ROWS)
def test_the_simulated_peak_is_that_of_a_real_run(name: str) -> None:
    size, settings = STEPS[name]
    simulated, real = traces(build_step(f"torchvision:{name}", size, **settings))
    assert peak_bytes(simulated) == peak_bytes(real)


@pytest.mark.nightly
def test_lora_beside_multihead_attention() -> None:
    """peft wraps an `nn.MultiheadAttention` by adding to its weights in each forward pass."""
    settings = {"method": "lora", "method_options": {"targets": ["self_attention"]}, "fused_attention": "off"}
    simulated, real = traces(build_step("torchvision:vit_b_16", (32, 32), **settings))
    assert peak_bytes(simulated) == peak_bytes(real)
