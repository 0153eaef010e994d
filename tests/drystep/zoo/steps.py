"""Steps of the zoo for tests: the code of a spec, run."""

from functools import partial
from typing import Any

from drystep import Simulation, simulate
from drystep.zoo.loading import LoadedStep, load_step
from drystep.zoo.settings import StepSettings
from drystep.zoo.spec import parse_spec

GPU = "rtx-4090-24gb"


def loaded(spec: str, size: tuple[int, int] | None = None, **settings: Any) -> LoadedStep:
    """The step of a spec, for images of a size."""
    return load_step(parse_spec(spec), StepSettings(**settings), size)


def build_step(spec: str, size: tuple[int, int] | None = None, batch_size: int = 2, **settings: Any) -> Any:
    """The function `build_step(device)` of a spec, for a batch."""
    return partial(loaded(spec, size, **settings).build_step, batch_size=batch_size)


def simulated(spec: str, size: tuple[int, int] | None = None, batch_size: int = 2, **settings: Any) -> Simulation:
    """The simulation of a spec."""
    return simulate(build_step(spec, size, batch_size, **settings), gpus=(GPU,))
