"""Simulation of a training step without a GPU: trace it on meta tensors, and replay the trace through the allocator."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch

from drystep.checks.step_checks import StepChecks
from drystep.cuda.bitsandbytes_operators import register_bitsandbytes
from drystep.cuda.meta_cache import META
from drystep.cuda.meta_operators import MetaOperators
from drystep.cuda.replicas.process_group import reduced_tensors
from drystep.cuda.rewrites import REWRITES
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, PRECISIONS, Rules, rules_of
from drystep.cuda.semantics import semantics
from drystep.cuda.torchvision_operators import register_torchvision
from drystep.cuda.workspaces import Workspaces
from drystep.errors import SimulationError
from drystep.gpus.classes import Gpu, select_gpus
from drystep.simulation import Simulation, judge
from drystep.time.work import work_of
from drystep.torch_private import warn_if_untested
from drystep.trace.failures import guarded
from drystep.trace.leaks import leak_warning, leftovers
from drystep.trace.recorder import WARM_UP_STEPS, BuildStep, OperatorRules, Step, record
from drystep.trace.trace import Trace
from drystep.values.known import DEFAULT_LIMIT_BYTES
from drystep.values.oracle_lookup import Lookup, OracleLookup
from drystep.values.oracles import Oracles
from drystep.values.python_data import Handler, handlers
from drystep.values.reads import Reads
from drystep.values.recorded import RecordedReads, ReplayedReads
from drystep.values.sides import FIRST_SIDES, Sides
from drystep.values.tries import run_with_tries


class StepOperators(Protocol):
    """Runs the operators of a step."""

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Same as `func(*args, **kwargs)`, as far as memory goes."""

    def begin_step(self) -> None:
        """Called at the beginning of each step."""

    def handlers(self, device: torch.device) -> dict[Any, Handler]:
        """Function of PyTorch -> what is called instead of it."""


def simulate(
    build_step: BuildStep,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    iterations: int = WARM_UP_STEPS + 1,
    gpus: Sequence[str | Gpu] | None = None,
    capacity_bytes: int | None = None,
    steady_steps: int = 1,
    oracles: Oracles | RecordedReads | None = None,
    known_limit_bytes: int | None = DEFAULT_LIMIT_BYTES,
    strict: bool = False,
    sides: Sides = FIRST_SIDES,
    repeats: bool = False,
) -> Simulation:
    """Simulate the memory of a training step on a GPU.

    `build_step(device)` builds model, optimizer and data on the device that it is given (the meta device), and returns
    a function without arguments that runs one training step: `zero_grad`, forward, `loss.backward()` and
    `optimizer.step()`, in any order. It runs `iterations` times, and the last `steady_steps` count for the peak: take
    more than one if the batches differ. `rules` are those of a version of PyTorch, a wrapper, an allocator and a card,
    or the name of a preset. `gpus` are the GPU classes to judge, by name or as `Gpu`, or groups such as "24gb"; by
    default those that are not on request. `capacity_bytes` limits what the allocator may reserve.
    What depends on values follows from known data where it can: storages of up to `known_limit_bytes` have values
    (None: all of them, 0: none). Otherwise `oracles` answer it, or it is assumed; `assumptions` of the result list all
    answers. `sides` choose other answers than those that are assumed first. `repeats` says that the last step does
    what the one before it does: then it is not run, where the trace agrees.
    With `strict`, what would be a warning that figures differ from those of the real step is an error: parameters that
    got no gradient, a foreign autocast region, modules that are collected before the step, compiled models.
    Unless the rules state the allocator's settings, they are those of `PYTORCH_CUDA_ALLOC_CONF` in the environment.
    Raises `ValueError` for unknown names, and `SimulationError` for a step that cannot be simulated, with the line of
    the user's program and a remedy.
    """
    classes = [each for gpu in gpus or () for each in ([gpu] if isinstance(gpu, Gpu) else select_gpus([gpu]))]
    classes = list({gpu.name: gpu for gpu in classes or select_gpus()}.values())
    rules = rules_of(rules)
    _require_precision(rules, precision)
    remarks = rules.remarks()  # refuses a bad PYTORCH_CUDA_ALLOC_CONF before anything runs
    checks = StepChecks(META, iterations - repeats, steady_steps)  # the last step may not be run
    build_step = guarded(checks.around(build_step))

    def run(reads: Reads, note_lines: bool = False) -> Trace:
        operators = MetaOperators(reads)
        with checks.watching():
            return trace_steps(
                build_step, META, rules, precision, iterations, steady_steps, operators, note_lines, repeats
            )

    def reads_of(sides: Sides) -> Reads:
        return Reads(_lookup(oracles), known_limit_bytes, sides)

    trace, reads = run_with_tries(run, reads_of, sides)
    found = checks.findings(strict)
    if not trace.allocations:
        raise SimulationError(
            "the step has nothing on the device: build the model and data on, or move them to, "
            "the device that build_step is given"
        )
    warnings = [*_oddities(trace, reads), *found, *remarks]
    if leftovers(trace):  # recording source lines takes time, and only such a step needs them
        again = run(reads_of(reads.sides), note_lines=True)
        warnings += [leak_warning(again) or leak_warning(trace) or ""]
    simulation = judge(trace, classes, rules, capacity_bytes)
    return replace(simulation, warnings=tuple(warnings), assumptions=reads.assumptions)


def trace_steps(
    build_step: BuildStep,
    device: torch.device,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    iterations: int = WARM_UP_STEPS + 1,
    steady_steps: int = 1,
    operators: StepOperators | None = None,
    note_lines: bool = False,
    repeats: bool = False,
) -> Trace:
    """Record training steps on `device` (meta, or the CPU for real execution) as a GPU would allocate for them.

    The last `steady_steps` of the iterations count. `repeats` says that the last step does what the one before it does:
    then it is not run. `operators` run the operators: on meta by
    default `MetaOperators`. With `note_lines` the trace has the user's source line
    of each operator. Simulations in other threads wait until this one ends. Raises `ValueError` for unknown names, and
    if there are fewer iterations than steady steps.
    """
    if not 1 <= steady_steps <= max(1, iterations):
        raise ValueError(f"steady_steps must be 1 to {iterations}, the number of iterations, not {steady_steps}")
    warn_if_untested()
    register_torchvision()
    register_bitsandbytes()
    rules = rules_of(rules)
    workspaces = Workspaces(rules)
    of_operators = OperatorRules(
        rewrites=REWRITES,
        workspaces=workspaces,
        may_request=workspaces.may_request,
        work_of=work_of,
        buckets=reduced_tensors,
    )
    if device.type == "meta":
        operators = operators or MetaOperators()
    replaced = handlers(device)
    if operators is not None:
        of_operators = replace(of_operators, call=operators)
        build_step, replaced = _announced(build_step, operators), operators.handlers(device)
    with semantics(rules, precision, device, replaced) as ignored:
        trace = record(build_step, device, iterations, of_operators, steady_steps, note_lines, repeats)
    trace.failures += workspaces.failures
    trace.remarks += ignored.remarks()
    return trace


def _require_precision(rules: Rules, precision: str) -> None:
    """Raise `ValueError` where the card that the rules name cannot compute in this precision."""
    card = rules.card
    if precision == "amp-bf16" and isinstance(card, Gpu) and card.peaks.lacks_bfloat16:
        able = [name for name in PRECISIONS if name != precision]
        raise ValueError(f"{card.name} has no bfloat16 units: choose the precision from {', '.join(able)}")


def _announced(build_step: BuildStep, operators: StepOperators) -> BuildStep:
    """Wrap `build_step` so that the beginning of each step is known where values are asked for."""

    def build(device: torch.device) -> Step:
        step = build_step(device)

        def announced_step() -> None:
            operators.begin_step()
            step()

        return announced_step

    return build


def _lookup(oracles: Oracles | RecordedReads | None) -> Lookup:
    return ReplayedReads(oracles) if isinstance(oracles, RecordedReads) else OracleLookup(oracles or Oracles())


def _oddities(trace: Trace, reads: Reads) -> list[str]:
    odd = [f"oracle {name!r} was never asked: nothing of that name needed it" for name in reads.oracles.unused]
    if not any(allocation.category == "parameters" for allocation in trace.allocations):
        odd.append("no parameters on the device: neither a module nor an optimizer that has any there took part")
    odd += [*trace.failures, *trace.remarks]
    odd += [f"predicted times leave out {name}: {why}" for name, why in trace.uncounted.items()]
    return odd
