"""The step of a file judged in a child process."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drystep.cuda.rules import Rules
from drystep.errors import SimulationError, shortened
from drystep.fit.step import fit_step
from drystep.gpus.classes import Gpu
from drystep.gpus.peaks import Peaks
from drystep.probe import probe
from drystep.values.oracles import Oracles
from drystep.zoo.python_file import load_function

PROBED_STEPS = 2
"""Steps of a real run: the first, and one with trained weights."""


class FitSession:
    """Judges the step of a file in a child process, so that whatever the file does stays there."""

    def __init__(
        self, note_phase: Callable[[str], None], target: str, gpus: Sequence[Mapping[str, Any]], **asked: Any
    ) -> None:
        note_phase("simulation")
        self._target = target
        self._gpus = [Gpu(**{**gpu, "peaks": Peaks(**gpu["peaks"])}) for gpu in gpus]
        self._asked = {**asked, "oracles": Oracles.from_fields(asked["oracles"]), "rules": Rules(**asked["rules"])}

    def fit(self) -> dict[str, Any]:
        """Rows as JSON has them; or what was "wrong" with the command, or how the step "failed"."""
        try:
            rows = fit_step(load_function(self._target), self._gpus, **self._asked)
        except SimulationError as error:
            return {"failed": str(error)}
        except ValueError as error:
            return {"wrong": shortened(str(error))}
        return {"rows": [row.to_fields() for row in rows]}

    def probe(self) -> dict[str, Any]:
        """What the step reads in a real run on the CPU with one sample, or how it "failed"."""
        try:
            build_step = load_function(self._target)
            if "batch_size" in inspect.signature(build_step).parameters:
                build_step = functools.partial(build_step, batch_size=1)
            reads = probe(build_step, self._asked["rules"], self._asked["precision"], iterations=PROBED_STEPS).reads
        except SimulationError as error:
            return {"failed": str(error)}
        except ValueError as error:
            return {"wrong": shortened(str(error))}
        return {"shares": [[place.names[0], operator, rows, most] for place, operator, rows, most in reads.shares()]}

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before the end."""
        return {}
