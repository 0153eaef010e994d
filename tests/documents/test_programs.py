"""The Python code of the README and of docs/ runs as it is, in the order of the text."""

from pathlib import Path

import pytest

from tests.documents.snippets import RUN, programs


@pytest.mark.parametrize("document", [name for name in RUN if programs(name)])
def test_it_runs(document: str, folder: Path) -> None:
    names = {"__name__": "document"}
    for snippet in programs(document):
        file = folder / (snippet.title or "snippet.py")
        file.write_text(snippet.text)
        exec(compile(snippet.text, str(file), "exec"), names)
