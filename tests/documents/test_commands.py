"""Every command of the README and of docs/ runs, on small steps, or the reason why not is stated."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main as bench_main
from drystep.commands.cli import main as drystep_main
from tests.conftest import INSTALLED, PLUGIN
from tests.documents.small_sizes import (
    LONG,
    NIGHTLY,
    ONLY_PARSED,
    OPTIONS_ONLY_PARSED,
    SMALLER,
    made_small,
    why_not_run,
)
from tests.documents.snippets import RUN, lines_of_commands, programs

COMMANDS = list(dict.fromkeys(line for document in RUN for line in lines_of_commands(document)))
"""Each once, whichever documents have it."""
PROGRAMS = {"drystep": drystep_main, "python -m drystep": drystep_main, "python -m bench": bench_main}
SMALL = list(dict.fromkeys(made_small(line) for line in COMMANDS if not why_not_run(line) and "pytest" not in line))
FIT_STATUSES = (0, 3)
COMMANDS_OF_DRYSTEP = ("fit", "explain", "compare", "solve", "gpus", "validate", "env")


def _marks(command: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.nightly] if command.startswith(NIGHTLY) else []


def _arguments(command: str) -> tuple[Any, list[str], str]:
    """The program of a command line, its arguments, and the file that its output goes to."""
    words = shlex.split(command)
    file = words.pop() if words[-2:-1] == [">"] else ""
    words = [word for word in words if word != ">"]
    for start, main in PROGRAMS.items():
        length = len(start.split())
        if words[:length] == start.split():
            return main, words[length:], file
    raise AssertionError(f"no program of ours: {command}")


@pytest.mark.parametrize("command", [pytest.param(line, id=line, marks=_marks(line)) for line in SMALL])
@pytest.mark.usefixtures("in_thread")
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks transformers
def test_it_answers(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main, arguments, file = _arguments(command)
    status = main(arguments)
    said = capsys.readouterr()
    assert status in FIT_STATUSES, said.err
    assert said.out.strip()
    if file:
        assert said.out == (folder / file).read_text() or "def build_step" in said.out


@pytest.mark.parametrize("document", [name for name in RUN if any("pytest" in c for c in lines_of_commands(name))])
def test_the_plugin_runs_the_tests_of_a_document(
    document: str, folder: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the text: the first run with a baseline writes it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tests,) = programs(document, "def test_")
    (folder / "test_memory.py").write_text(tests.text)
    for command in (line for line in lines_of_commands(document) if line.startswith("pytest")):
        plugin = () if INSTALLED else ("-p", PLUGIN)
        result = pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider", *shlex.split(command)[1:])
        outcomes = result.parseoutcomes()
        assert outcomes.get("passed") and set(outcomes) == {"passed"}, command
    assert (folder / "memory.json").stat().st_size


def test_each_command_of_drystep_is_run() -> None:
    ordinary = [line for line in SMALL if not line.startswith(NIGHTLY)]
    run = {words[1] for line in ordinary if (words := shlex.split(line))[0] == "drystep"}
    assert set(COMMANDS_OF_DRYSTEP) <= run


def test_what_is_only_parsed_or_replaced_is_there() -> None:
    """Nothing is excepted that no document says."""
    text = "\n".join(COMMANDS)
    for start in ONLY_PARSED:
        assert any(line.startswith(start) for line in COMMANDS), start
    for word in (*OPTIONS_ONLY_PARSED, *LONG):
        assert word in text, word
    small = "\n".join(LONG.get(line, line) for line in COMMANDS)
    assert [replaced for replaced, _ in SMALLER if replaced not in small] == []
