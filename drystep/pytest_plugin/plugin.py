"""A pytest plugin: tests that fail when a training step needs more GPU memory than it may. No GPU is needed.

    @pytest.mark.limit_gpu_memory("11 GiB")             # or bytes, or a GPU class: "gtx-1080ti-11gb"
    def test_training_fits():
        return build_step                               # measured by the plugin

    @pytest.mark.limit_gpu_memory("11 GiB")
    @pytest.mark.parametrize("batch_size", [1, 2, 4])
    def test_batches_fit(gpu_memory, batch_size):
        memory = gpu_memory.measure(functools.partial(build_step, batch_size=batch_size))
        assert memory.peak_allocated_bytes < 2**30

`build_step(device)` builds model, optimizer and data on the device, and returns a function without arguments that is
one training step, as in `drystep.simulate`. Without a GPU it is simulated; on one it is really run under an allocator
limit. The marker takes `rules`, `precision`, `iterations`, `oracles` and `strict` as `simulate` does, and so does
`measure`.

    pytest --memory-baseline memory.json --memory-baseline-update      # record the peaks of all measured tests
    pytest --memory-baseline memory.json --fail-on-increase 1%         # fail where one grew by more

Every other project's test run loads this file: it imports neither torch nor what needs it before a test measures.
"""

import functools
import importlib.util
import inspect
from collections.abc import Callable, Generator
from typing import Any

import pytest

from drystep.pytest_plugin.fixture import GATE, MARKER, MEMORY, PROPERTY, GpuMemory, memory_of
from drystep.pytest_plugin.gate import Gate, MeasuredTest
from drystep.pytest_plugin.limits import parse_limit
from drystep.units import parse_percent

OPTIONS = ("rules", "precision", "iterations", "oracles", "strict")


@pytest.fixture
def gpu_memory(request: pytest.FixtureRequest) -> GpuMemory:
    """Measure the GPU memory of training steps: `gpu_memory.measure(build_step)`."""
    return memory_of(request.node)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the baseline."""
    group = parser.getgroup("gpu memory", "GPU memory of training steps (drystep)")
    group.addoption("--memory-baseline", metavar="FILE", help="Peaks to compare with, as recorded earlier.")
    group.addoption(
        "--memory-baseline-update",
        action="store_true",
        help="Record the peaks of the measured tests in the baseline file, and compare nothing.",
    )
    names = ["--fail-on-memory-increase", "--fail-on-increase"]
    if importlib.util.find_spec("pytest_memray") is not None:
        names.pop()  # it is pytest-memray's own then, and about host memory
    group.addoption(*names, metavar="PERCENT", help="Fail a test whose peak grew by more than that, such as 1%%.")
    group.addoption(
        "--memory-engine",
        choices=("auto", "simulate", "cuda"),
        default="auto",
        help="auto: the GPU where there is one that can stand for the limit, else simulate.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the baseline. A bad one stops the run before any test."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(limit, *, rules, precision, iterations, oracles, strict): fail when the training step that the test "
        "returns, or measures with the fixture gpu_memory, needs more GPU memory; simulated without a GPU.",
    )
    file, tolerance = config.getoption("--memory-baseline"), config.getoption("--fail-on-memory-increase")
    try:
        config.stash[GATE] = Gate(
            file=None if file is None else config.invocation_params.dir / file,
            tolerance_percent=None if tolerance is None else parse_percent(tolerance),
            update=config.getoption("--memory-baseline-update"),
            engine=config.getoption("--memory-engine"),
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if not hasattr(config, "workerinput"):  # pytest-xdist's workers report to a process that reports
        config.pluginmanager.register(Reporter(config.stash[GATE]), "drystep-reporter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stop before any test at a marker that cannot be meant."""
    marked = [(item, marker) for item in items for marker in item.iter_markers(MARKER)]
    if not marked:
        return
    for item, marker in marked:
        try:
            if len(marker.args) != 1 or set(marker.kwargs) - set(OPTIONS):
                raise ValueError(f"{MARKER} takes one limit, and by name {', '.join(OPTIONS)}")
            parse_limit(marker.args[0])
        except ValueError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}") from error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what an earlier attempt at the same test measured."""
    if MEMORY in item.stash:
        del item.stash[MEMORY]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Measure the step that a marked test returns."""
    test = pyfuncitem.obj
    if pyfuncitem.get_closest_marker(MARKER) is None or inspect.iscoroutinefunction(test):
        return (yield)
    returned: list[Callable[..., Any]] = []

    @functools.wraps(test)
    def keeping(*arguments: Any, **named: Any) -> object:
        result = test(*arguments, **named)
        if not callable(result):
            return result
        returned.append(result)
        return None

    pyfuncitem.obj = keeping
    try:
        result = yield
    finally:
        pyfuncitem.obj = test
    for build_step in returned:
        memory_of(pyfuncitem).measure(build_step)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let no marked test pass that measured nothing."""
    yield
    if item.get_closest_marker(MARKER) is not None and not memory_of(item).names:
        pytest.fail(
            f"{MARKER}: the test measured nothing; return build_step, or call gpu_memory.measure(build_step)",
            pytrace=False,
        )


class Reporter:
    """Collects what the tests measured, in whatever process they ran, shows and records it."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test measured out of its report."""
        if report.when == "call":
            carried: list[Any] = [fields for name, fields in report.user_properties if name == PROPERTY]
            self._gate.measured |= {test.name: test for test in map(MeasuredTest.from_fields, carried)}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it."""
        if self._gate.measured:
            terminalreporter.section("GPU memory of training steps")
            for line in (*self._gate.table(), *self._gate.notes()):
                terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        """Record it."""
        try:
            self._gate.write()
        except ValueError as error:
            pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)
