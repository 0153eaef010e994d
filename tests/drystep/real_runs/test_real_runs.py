"""Models of timm, torchvision and transformers: simulated peaks are those of a real run on the CPU, to the byte.

Where values decide sizes, the simulation is told what the real run read. Known values are kept up to the default limit.
"""

import pytest

from drystep import simulate
from drystep.fit.probe import probe
from tests.drystep.real_runs.comparison import peak_bytes, traces
from tests.drystep.real_runs.timm_models import TIMM
from tests.drystep.real_runs.torchvision_models import TORCHVISION
from tests.drystep.real_runs.training import BuildStep
from tests.drystep.real_runs.transformers_models import TRANSFORMERS

STEPS: dict[str, BuildStep] = {
    f"{library}-{name}": step
    for library, steps in {"timm": TIMM, "torchvision": TORCHVISION, "transformers": TRANSFORMERS}.items()
    for name, step in steps.items()
}
ALWAYS = {
    "timm-convnextv2", "timm-vit", "torchvision-resnet18", "torchvision-swin3d", "transformers-detr",
    "transformers-mixtral", "transformers-qwen2_vl", "transformers-swin2sr", "transformers-wav2vec2",
}  # fmt: skip
"""Those that run at every change; the others run every night."""
UNLIKE_A_GPU = {
    "timm-sequencer": "its LSTM runs on the CPU as cells of oneDNN, whose memory differs from cuDNN's layer",
    "torchvision-mvit": "its relative positions are counted on the host, which is the device of a real run here",
    "torchvision-raft": "its grids of points and numbers are made on the host, which is the device of a real run here",
    "transformers-deberta": "its scales are tensors on the host, which is the device of a real run here",
    "transformers-gemma3": "its masks make numbers of Python into tensors, which only a GPU needs copied",
    "transformers-gpt_oss": "its masks make numbers of Python into tensors, which only a GPU needs copied",
    "transformers-videomae": "its table of positions stays on the host, and is copied to a GPU in each step",
}
"""Step -> why the CPU allocates other memory than a GPU for it."""
LOOSE = (None, 0)
"""Limits of known values: none, and no values at all."""


def _marks(name: str) -> list[pytest.MarkDecorator]:
    marks = [] if name in ALWAYS else [pytest.mark.nightly]
    if name in UNLIKE_A_GPU:
        marks.append(pytest.mark.xfail(strict=True, reason=UNLIKE_A_GPU[name], raises=AssertionError))
    return marks


ROWS = [pytest.param(name, id=name, marks=_marks(name)) for name in STEPS]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize("name", ROWS)
def test_the_simulated_peak_is_that_of_a_real_run(name: str) -> None:
    simulated, real = traces(STEPS[name])
    assert any(allocation.category == "parameters" for allocation in real.allocations)
    assert peak_bytes(simulated) == peak_bytes(real)


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(STEPS.keys() - UNLIKE_A_GPU.keys()))
def test_the_limit_of_known_values_does_not_matter(name: str) -> None:
    real = probe(STEPS[name])
    for limit_bytes in LOOSE:
        simulated = simulate(STEPS[name], oracles=real.reads, known_limit_bytes=limit_bytes)
        assert peak_bytes(simulated.trace) == peak_bytes(real.trace), f"limit {limit_bytes}"


def test_thirty_models_and_more_are_compared() -> None:
    assert len(STEPS.keys() - UNLIKE_A_GPU.keys()) >= 30
    assert STEPS.keys() >= ALWAYS | UNLIKE_A_GPU.keys()
