"""The page of an answer: its figures, and what a browser is allowed to do with names of others."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from drystep.commands.answer.page import page, write_page
from drystep.errors import OutputError
from tests.drystep.commands.answer.sample_rows import ADVICE, HOSTILE, row, too_small

ASSUMED = {"kind": "assumed", "note": "", "text": f"rows of nonzero {HOSTILE}"}


class Reader(HTMLParser):
    """Tags with their attributes, and the texts of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        self._cell = tag in ("td", "th") or (self._cell and tag in ("span", "code"))
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data) -> None:
        self.text += data
        if self._cell and self.rows:
            self.rows[-1][-1] += data.strip()


def test_figures() -> None:
    rows = [row(advice=[ADVICE]), too_small()]
    found = Reader(page({"title": "A step"}, rows, {"a": "A 24", "b": "B 8"}))
    assert ["A 24", "fits", "4.00", "10", "544x816", "250", "32"] in found.rows
    assert ["B 8", "does not fit", "–", "0", "none", "–", "–"] in found.rows
    assert ["activations", "640", "64 %", ""] in found.rows
    assert ["half the batch, accumulated", "-31 %", "+50 %", "makes it fit", ADVICE["option"]] in found.rows
    assert {"class": "verdict oom"} in [attributes for tag, attributes in found.tags if tag == "span"]
    assert "ms and images/s are predicted" in found.text


def test_names_of_others_are_text_and_nothing_is_loaded() -> None:
    rows = [row(warnings=[HOSTILE], assumptions=[ASSUMED], advice=[ADVICE | {"option": HOSTILE, "name": HOSTILE}])]
    text = page({"title": HOSTILE}, rows, {"a": HOSTILE})
    found = Reader(text)
    assert not {"img", "script", "link", "a", "iframe"} & {tag for tag, _ in found.tags}
    assert not [name for _, attributes in found.tags for name in attributes if name in ("src", "href", "style")]
    assert "\x1b" not in text
    assert found.text.count("<img src=x") >= 6


def test_the_policy_allows_the_pages_own_style_alone() -> None:
    text = page({"title": "A step"}, [row()], {"a": "A"})
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(attributes["content"] for tag, attributes in Reader(text).tags if "http-equiv" in attributes)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "prefers-color-scheme: dark" in style[1]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write --html .*below.html"):
        write_page(tmp_path / "file" / "below.html", {"title": "A step"}, [row()], {"a": "A"})
