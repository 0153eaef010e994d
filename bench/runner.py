"""Cases in, results out: picks the engine, skips what is stored, and keeps going when a case fails."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from pathlib import Path

from bench.case import Case
from bench.engines import cpu, cuda, parallel, simulate
from bench.environment import describe_environment
from bench.gpus import Gpu, select_gpus
from bench.results import Result, append_result, missing_from, read_results, require_writable

DEFAULT_STEPS = 5

Say = Callable[[str], None]


def _silent(message: str) -> None:
    pass


def measure(case: Case, gpus: Sequence[str] = (), steps: int = DEFAULT_STEPS, say: Say = _silent) -> Result:
    """Measure one case with its engine.

    `gpus` names the classes to judge (all by default), `steps` is the number of timed steps where the engine times,
    `say` hears what is worth knowing beforehand. Raises `ValueError` for unknown names or an engine without a device;
    what goes wrong inside the measurement is a result with status "error".
    """
    return next(run([case], select_gpus(gpus), steps=steps, say=say))


def run(cases: Sequence[Case], gpus: Sequence[Gpu], steps: int = DEFAULT_STEPS, say: Say = _silent) -> Iterator[Result]:
    """Measure cases in their order; simulations run in parallel, cpu cases of one model and batch interleaved.

    Raises `ValueError`, before anything is measured, for less than one step or an engine without a device.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    if any(case.engine == "cuda" for case in cases):
        cuda.require_device()
    return chain.from_iterable(_measure_group(list(group), gpus, steps, say) for _, group in groupby(cases, _together))


def gathered(cases: Iterable[Case]) -> list[Case]:
    """Each case once, simulated ones first, and side by side those that `run` interleaves."""
    groups: dict[object, list[Case]] = {}
    for case in dict.fromkeys(cases):
        groups.setdefault(_together(case), []).append(case)
    return sorted(chain.from_iterable(groups.values()), key=lambda case: case.engine != "simulate")


@dataclass(frozen=True)
class Resumed:
    """What a results file leaves to do."""

    missing: list[Case]
    """Cases still to measure."""
    stored: list[Result]
    """Results of the other cases."""
    problems: list[str]
    """Lines of the file that could not be read."""


def resume(cases: Sequence[Case], gpus: Sequence[Gpu], out: Path, rerun: bool) -> Resumed:
    """Find out which cases a results file has not. Raises `ValueError` if it cannot be read or written."""
    require_writable(out)
    found = read_results(out)
    missing = list(cases) if rerun else missing_from(cases, found, [gpu.name for gpu in gpus])
    done = set(cases) - set(missing)
    return Resumed(missing, [result for result in found.results if result.case in done], found.problems)


def run_into(
    out: Path, cases: Sequence[Case], gpus: Sequence[Gpu], steps: int = DEFAULT_STEPS, say: Say = _silent
) -> Iterator[Result]:
    """Like `run`, and append each result to a file as soon as it is there."""

    def store(result: Result) -> Result:
        append_result(out, result)
        return result

    return map(store, run(cases, gpus, steps, say))


def _together(case: Case) -> object:
    """Neighbours of equal key are handed to their engine at once: simulations in parallel, cpu methods interleaved."""
    return "simulate" if case.engine == "simulate" else replace(case, method="full", checkpointing=False)


def _measure_group(cases: Sequence[Case], gpus: Sequence[Gpu], steps: int, say: Say) -> Iterable[Result]:
    if cases[0].engine == "simulate":
        return parallel.spread(partial(_simulate, gpus=gpus), cases)
    try:
        return cpu.measure(cases, gpus, steps, say)
    except Exception as error:  # whatever a model does wrong must not cost the other cases
        return [_failed(case, error) for case in cases]


def _simulate(case: Case, gpus: Sequence[Gpu]) -> Result:
    try:
        return simulate.measure(case, gpus)
    except Exception as error:
        return _failed(case, error)


def _failed(case: Case, error: Exception) -> Result:
    message = f"{type(error).__name__}: {error}"
    return Result(case=case, status="error", message=message, environment=describe_environment(device="unknown"))
