"""The documents are true: links lead somewhere, and commands, options, sessions and snippets exist.

Nothing is run here: tests/documents runs the commands and programs of the README and of docs/.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import typer

from bench.commands.cli import app as bench_app
from bench.commands.training.weights import naming_weights
from drystep import __version__
from drystep.commands.cli import app as drystep_app
from drystep.pytest_plugin.plugin import pytest_addoption
from tests.documents.snippets import FENCED, INDENTED, PAGES, ROOT, snippets
from tests.documents.snippets import text_of as _text

MAIN = ("README.md", "CONTRIBUTING.md", *PAGES)
GUIDES = (*MAIN, "CHANGELOG.md", "tests/benchmarks/README.md", "drystep/ground_truth/README.md")
DOCUMENTS = [*GUIDES, "reports/published/README.md"]
DOCUMENTS += sorted({path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")} - {*DOCUMENTS})
WORKFLOWS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
PROGRAMS: dict[str, Any] = {
    name: typer.main.get_command(app) for name, app in (("bench", bench_app), ("drystep", drystep_app))
}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`]+)`")
SESSIONS = re.compile(r"\bnox((?: -s(?: (?!-)\w+)+)+)")


def _invocation(line: str) -> tuple[str, list[str]] | None:
    """The program of a command line, `bench` or `drystep`, and its arguments; None for other programs."""
    words = shlex.split(line, comments=True)
    match words[: words.index(">")] if ">" in words else words:
        case [_, "-m", ("bench" | "drystep") as program, *arguments]:
            return program, arguments
        case [program, *arguments] if Path(program).name == "drystep":
            return "drystep", arguments
        case ["nox", "-s", "bench", "--", *arguments]:
            return "bench", ["tables", *arguments]
    return None


def _commands() -> Iterator[Any]:
    for document in GUIDES:
        for snippet in snippets(document):
            for line in snippet.text.splitlines() if not snippet.language else ():
                if found := _invocation(line):
                    yield pytest.param(*found, id=f"{document}: {line.split(' # ')[0].strip()}")


def _options(command: Any) -> set[str]:
    return {text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)}


def _options_of_the_plugin() -> set[str]:
    """What the pytest plugin adds to pytest's options."""

    class Parser:
        names: ClassVar[set[str]] = set()

        def getgroup(self, *_: object) -> "Parser":
            return self

        def addoption(self, *names: str, **_: object) -> None:
            self.names.update(names)

    pytest_addoption(Parser())
    return Parser.names


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_lead_to_files(document: str) -> None:
    targets = [link for link in LINK.findall(_text(document)) if not re.match(r"[a-z]+:|#", link)]
    missing = [target for target in targets if not (ROOT / document).parent.joinpath(target.split("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize(("program", "arguments"), [*_commands()])
def test_commands_can_be_parsed(program: str, arguments: list[str]) -> None:
    command, *rest = arguments
    assert command in PROGRAMS[program].commands
    PROGRAMS[program].commands[command].make_context(command, naming_weights(rest))


def test_blocks_of_commands_are_found() -> None:
    names = {(case.values[0], case.values[1][0]) for case in _commands()}
    assert {("bench", "run"), ("bench", "compare"), ("drystep", "fit"), ("drystep", "env")} <= names


@pytest.mark.parametrize("document", MAIN)
def test_commands_and_options_in_sentences_exist(document: str) -> None:
    prose = INDENTED.sub("", FENCED.sub("", _text(document)))
    known = {
        option for group in PROGRAMS.values() for command in group.commands.values() for option in _options(command)
    }
    known |= {"--", "--help", *_options_of_the_plugin()}
    for span in SPAN.findall(prose):
        found = _invocation(span)
        if found and found[1]:
            program, (command, *_) = found
            assert command in PROGRAMS[program].commands, span
        if found or span.startswith("--"):
            assert {word for word in span.split() if word.startswith("--")} <= known, span


@pytest.mark.parametrize("document", [*GUIDES, *WORKFLOWS])
def test_sessions_exist(document: str) -> None:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
    named = {name for group in SESSIONS.findall(_text(document)) for name in group.split() if name != "-s"}
    assert named <= defined


@pytest.mark.parametrize("document", GUIDES)
def test_snippets_compile(document: str) -> None:
    for snippet in snippets(document):
        if snippet.language == "python":
            compile(snippet.text, document, "exec")


def test_pre_commit_has_the_ruff_of_the_environment() -> None:
    (pinned,) = re.findall(r"^ruff==.+$", _text("constraints.txt"), re.MULTILINE)
    assert set(re.findall(r"ruff==[\w.]+", _text(".pre-commit-config.yaml"))) == {pinned}


def test_citation_and_changelog_name_the_version() -> None:
    assert f"\nversion: {__version__}\n" in _text("CITATION.cff")
    assert re.findall(r"^## \[(.+?)\]", _text("CHANGELOG.md"), re.MULTILINE)[0] == __version__
