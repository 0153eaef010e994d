"""What stands in the documents: commands, programs and files, in the order of the text."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
RUN = ("README.md", *PAGES)
"""Documents of which every command and program is run."""

FENCED = re.compile(r"^ *```(\w*)([^\n`]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)(?: {4}.*\n|\n(?= {4}))*")
TITLE = re.compile(r'title="([^"]+)"')


class Snippet(NamedTuple):
    """A piece of code in a document."""

    document: str
    language: str
    """As the fence says; "" for commands."""
    text: str
    title: str = ""
    """Name of the file that it is, where the fence says one."""


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def snippets(document: str) -> Iterator[Snippet]:
    """Fenced code, then commands, which are indented."""
    text = text_of(document)
    for language, attributes, code in FENCED.findall(text):
        title = TITLE.search(attributes)
        yield Snippet(document, language, textwrap.dedent(code), title[1] if title else "")
    for block in INDENTED.findall(FENCED.sub("", text)):
        yield Snippet(document, "", textwrap.dedent(block))


def lines_of_commands(document: str) -> Iterator[str]:
    """Command lines without their comments."""
    for snippet in snippets(document):
        for line in snippet.text.splitlines() if not snippet.language else ():
            if words := shlex.split(line, comments=True):
                yield shlex.join(words)


def titled(document: str, title: str) -> str:
    """The file of a document that has a name."""
    (text,) = (snippet.text for snippet in snippets(document) if snippet.title == title)
    return text


def programs(document: str, *words: str) -> list[Snippet]:
    """The Python code of a document that has these words."""
    return [each for each in snippets(document) if each.language == "python" and all(w in each.text for w in words)]
