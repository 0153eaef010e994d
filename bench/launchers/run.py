"""Cases in, results out: picks the launcher, skips what is stored, and keeps going when a case fails.

Launchers import PyTorch: they are imported when something is to be measured, so that a grid that is stored needs none.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import itemgetter
from pathlib import Path

from bench.cases.case import Case
from bench.engines.settings import DEFAULT_STEPS, DEFAULT_TIME_LIMIT_S, Say, Settings
from bench.results.provenance import describe_cpu
from bench.results.result import Result
from bench.results.staleness import staleness, summarise
from bench.results.store import Problems, ResultsAt, append_result, each_result, require_writable
from drystep.gpus.classes import Gpu, select_gpus


def _silent(message: str) -> None:
    pass


def measure(
    case: Case,
    gpus: Sequence[str] = (),
    steps: int = DEFAULT_STEPS,
    say: Say = _silent,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
) -> Result:
    """Measure one case with its engine.

    `gpus` names the classes to judge (all by default), `steps` is the number of timed steps where the engine times,
    `say` hears what is worth knowing beforehand, `time_limit_s` bounds a case that runs in a process of its own. Raises
    `ValueError` for unknown names or an engine without a device; what goes wrong inside the measurement is a result
    with status "error".
    """
    return next(run([case], select_gpus(gpus), Settings(steps, time_limit_s), say))


def run(
    cases: Sequence[Case],
    gpus: Sequence[Gpu],
    settings: Settings = Settings(),  # noqa: B008  # frozen
    say: Say = _silent,
    requested: Sequence[Case] = (),
) -> Iterator[Result]:
    """Measure cases; simulations run in parallel, those on several GPUs too, and come as they are done.

    `requested` are all cases of the grid, also those that need no measuring any more (default: the same): where Full is
    among them, the cpu engine times a case in turns with it. Raises `ValueError`, before anything is measured, for an
    engine without a device.
    """
    if settings.launcher == "ray":
        from bench.launchers import ray_cluster

        return ray_cluster.measure_all(cases, requested or cases, gpus, settings)
    from bench.launchers import local

    return local.measure_all(cases, requested or cases, gpus, settings, say)


def smallest_card(settings: Settings) -> tuple[str, int]:
    """Name and memory of the smallest GPU that measures. Raises `ValueError` if there is none."""
    if settings.launcher == "ray":
        from bench.launchers import ray_cluster

        return ray_cluster.smallest_gpu(settings.ray_address)
    from drystep.measure.cards import cards

    return min(((card.name, card.total_bytes) for card in cards()), key=itemgetter(1))


def gathered(cases: Iterable[Case]) -> list[Case]:
    """Each case once, simulated ones first, and side by side those that are timed in turns with the same one."""
    groups: dict[object, list[Case]] = {}
    for case in dict.fromkeys(cases):
        groups.setdefault(_together(case), []).append(case)
    return sorted(chain.from_iterable(groups.values()), key=lambda case: case.engine != "simulate")


@dataclass(frozen=True)
class Resumed:
    """What a results file leaves to do."""

    missing: list[Case]
    """Cases still to measure."""
    stored: Sequence[Result]
    """Results of the other cases."""
    problems: list[str]
    """Lines of the file that could not be read."""
    stale: list[str] = field(default_factory=list)
    """Why stored results do not count any more, a line each."""


def resume(cases: Sequence[Case], gpus: Sequence[Gpu], out: Path, rerun: bool, settings: Settings) -> Resumed:
    """Find out which cases a results file has not, or not any more. Raises `ValueError` if it cannot be used."""
    require_writable(out)
    wanted = {} if rerun else {case: _device(case, settings) for case in cases}
    problems = Problems(out)
    found: dict[Case, tuple[int, str]] = {}  # where the latest answer is, and why it does not count any more
    for position, result in each_result(out, problems, wanted):
        if _answers(result, gpus):
            found[result.case] = position, staleness(result, gpus, settings.steps, wanted[result.case])
    fresh = {case: position for case, (position, stale) in found.items() if not stale}
    missing = [case for case in cases if case not in fresh]
    stored = ResultsAt(out, [fresh[case] for case in dict.fromkeys(cases) if case in fresh])
    return Resumed(missing, stored, problems.lines(), summarise(stale for _, stale in found.values()))


def run_into(
    out: Path,
    cases: Sequence[Case],
    gpus: Sequence[Gpu],
    settings: Settings = Settings(),  # noqa: B008  # frozen
    say: Say = _silent,
    requested: Sequence[Case] = (),
) -> Iterator[Result]:
    """Like `run`, and append each result to a file as soon as it is there."""

    def store(result: Result) -> Result:
        append_result(out, result)
        return result

    return map(store, run(cases, gpus, settings, say, requested))


def _answers(result: Result, gpus: Iterable[Gpu]) -> bool:
    """Whether a result is one at all, and judges all these classes; what failed is to be tried again."""
    return result.status != "error" and {gpu.name for gpu in gpus} <= result.fits.keys()


def _together(case: Case) -> object:
    """What simulations have in common, and cpu cases that are timed in turns with the same case."""
    return (
        "simulate" if case.engine == "simulate" else replace(case, method="full", checkpointing=False, bf16_trunk=False)
    )


def _device(case: Case, settings: Settings) -> str | None:
    """What an engine measures on; None for simulations, and on a cluster, whose nodes may differ."""
    if case.engine == "simulate" or settings.launcher == "ray":
        return None
    if case.engine == "cpu":
        return describe_cpu()
    from drystep.measure.cards import cards

    return cards()[0].name
