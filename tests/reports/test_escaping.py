"""What a reader of Markdown makes of escaped text: the text, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.escaping import markdown_cell, markdown_line, one_line
from tests.reports.hostile import HOSTILE, tokens

TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="\\`*_[]()|~$&<>#+-=!.:/'\" \n\t0123abcw;", max_size=30),
    st.lists(st.sampled_from(HOSTILE), max_size=3).map(" ".join),
)
PLAIN = {"inline", "text", "text_special"}


def _text(found: list) -> str:
    return "".join(token.content for token in found if token.type in ("text", "text_special"))


@given(TEXTS)
def test_a_line_is_shown_as_it_is(text: str) -> None:
    found = tokens(f"- {markdown_line(text)}\n")
    lists = {"bullet_list_open", "list_item_open", "paragraph_open", "paragraph_close", "list_item_close"}
    assert {token.type for token in found} <= PLAIN | lists | {"bullet_list_close"}
    assert _text(found) == one_line(text)


@given(TEXTS, TEXTS)
def test_a_cell_is_shown_as_it_is(first: str, second: str) -> None:
    found = tokens(f"| a | b |\n|---|---|\n| {markdown_cell(first)} | {markdown_cell(second)} |\n")
    cells = [token for token in found if token.type == "inline"]
    assert {child.type for cell in cells for child in cell.children} <= PLAIN
    assert [_text(cell.children) for cell in cells] == ["a", "b", one_line(first), one_line(second)]


@given(TEXTS)
def test_html_is_no_tag(text: str) -> None:
    """The text itself stands for no tag, either, where a program takes Markdown for HTML."""
    assert "<" not in markdown_cell(text)


@given(TEXTS)
def test_a_line_has_neither_ends_nor_controls(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    one_line(text).encode()  # it can be stored: halves of surrogate pairs are gone
    assert all(character.isprintable() or ord(character) > 0x9F for character in one_line(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("\ud800", r"\ud800"),
        ("a\r\n\tb\u2028c", "a b c"),
        ("\x9b31m\x00", r"\x9b31m\x00"),
        ("\u663e\u5361 \U0001f469\u200d\U0001f4bb", "\u663e\u5361 \U0001f469\u200d\U0001f4bb"),
    ],
)
def test_what_does_not_print_is_shown_by_its_number(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize("plain", ["NVIDIA H100 80GB HBM3", "swin_large", "+3.5 %", "torch-2.11.0+cu128", "10 200"])
def test_ordinary_names_stay_as_they_are(plain: str) -> None:
    assert markdown_cell(plain) == plain


def test_addresses_are_no_links_on_github() -> None:
    """GitHub links what begins with http:// or www. by itself; a backslash between ends that."""
    assert markdown_cell("http://a.b, https://a.b, www.a.b") == r"http:\//a.b, https:\//a.b, www\.a.b"
