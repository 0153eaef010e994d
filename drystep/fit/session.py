"""The step of a spec judged in a child process."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drystep.errors import SimulationError, shortened
from drystep.fit.asked import AskedStep
from drystep.fit.card_fit import CardFit
from drystep.fit.explanation import explanation, simulate_under, write_snapshot_of
from drystep.fit.levers import advice
from drystep.fit.probe import probe
from drystep.fit.sizes import size_asked
from drystep.fit.step import fit_step
from drystep.gpus.classes import Gpu
from drystep.gpus.peaks import Peaks
from drystep.memory.verdict import FITTING
from drystep.zoo.loading import LoadedStep

PROBED_STEPS = 2
"""Steps of a real run: the first, and one with trained weights."""
Answer = dict[str, Any]


class FitSession:
    """Answers questions about a step in a child process, so that whatever a file or a library does stays there.

    Every answer is a dictionary: with "wrong" if the command was, with "failed" if the step failed.
    """

    def __init__(
        self, note_phase: Callable[[str], None], asked: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]]
    ) -> None:
        note_phase("simulation")
        self._asked = AskedStep.from_fields(asked)
        self._gpus = [Gpu(**{**gpu, "peaks": Peaks(**gpu["peaks"])}) for gpu in gpus]

    def fit(
        self,
        ranks: int | None = None,
        with_throughput: bool = False,
        with_hinges: bool = False,
        quick: bool = False,
        with_largest_image: bool = True,
        advise: bool = False,
    ) -> Answer:
        """Rows of all cards as JSON has them, remarks about the step, and advice for one of the cards."""

        def judge(step: LoadedStep) -> Answer:
            asked = self._asked
            rows = fit_step(
                step.build_step, self._gpus, asked.batch_size, asked.rules, asked.precision, asked.oracles, ranks,
                with_throughput, asked.strict, with_hinges, asked.image_size, quick, with_largest_image,
            )  # fmt: skip
            found = [row.to_fields() for row in rows]
            for fields in found:
                fields |= {"advice": [], "batches": asked.settings.accumulate}
            if advise:
                number = _advised(rows)
                found[number]["advice"] = [
                    one.to_fields()
                    for one in advice(asked, rows[number].simulation, rows[number].gpu, rows[number].batch_size)
                ]
            return {"rows": found, "remarks": list(step.remarks), "settings": asdict(asked.settings)}

        return self._answer(judge)

    def explain(self, depth: int | None, folder: str | None) -> Answer:
        """Where the memory of the step goes, under the memory of the session's card if it has one.

        The snapshot is written into `folder`, and "not_written" says why if that failed.
        """

        def tell(step: LoadedStep) -> Answer:
            asked = self._asked
            size = size_asked(step.build_step, asked.batch_size, asked.image_size)
            build_step = functools.partial(step.build_step, **size.keywords)
            simulation = simulate_under(asked, build_step, next(iter(self._gpus), None))
            found: Answer = {"warnings": list(simulation.warnings), "remarks": list(step.remarks), "not_written": ""}
            found |= {"sizes": asdict(size), "explanation": explanation(simulation, depth)}
            if folder is not None:
                try:
                    write_snapshot_of(simulation, Path(folder))
                except OSError as error:
                    found["not_written"] = error.strerror or str(error)
            return found

        return self._answer(tell)

    def source(self) -> Answer:
        """The code of the step."""
        return self._answer(lambda step: {"source": step.source})

    def probe(self) -> Answer:
        """What the step reads in a real run on the CPU with one sample."""

        def shares(step: LoadedStep) -> Answer:
            build_step, asked = step.build_step, self._asked
            if "batch_size" in inspect.signature(build_step).parameters:
                build_step = functools.partial(build_step, batch_size=1)
            reads = probe(build_step, asked.rules, asked.precision, iterations=PROBED_STEPS).reads
            return {
                "shares": [[place.names[0], operator, rows, most] for place, operator, rows, most in reads.shares()]
            }

        return self._answer(shares)

    def so_far(self) -> Answer:
        """Nothing is known before the end."""
        return {}

    def _answer(self, question: Callable[[LoadedStep], Answer]) -> Answer:
        try:
            return question(self._asked.load())
        except SimulationError as error:
            return {"failed": str(error)}
        except ValueError as error:
            return {"wrong": shortened(str(error))}


def _advised(rows: Sequence[CardFit]) -> int:
    """Number of the card that advice is for: the first on which the step does not fit, or else the first."""
    verdicts = [row.simulation.fits[row.gpu.name].verdict for row in rows]
    return next((number for number, verdict in enumerate(verdicts) if verdict not in FITTING), 0)
