"""Text that a results file may hold, and a reader of Markdown that is not ours."""

from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

HOSTILE = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "![x](http://example.org/x.png)",
    "[x](http://example.org)",
    "<http://example.org>",
    "http://example.org and www.example.org",
    "# heading",
    "> quoted",
    "- item",
    "+ item",
    "1. item",
    "23) item",
    "---",
    "===",
    "    code",
    "```",
    "`code`",
    "**bold** _emphasis_ __bold__ ~~struck~~",
    "a_b _c_ d__e__",
    "a | b",
    "ends in a backslash \\",
    "\\| \\\\| \\*",
    "&lt;b&gt; &amp; &#42;",
    "$x^2$ and $\\notacommand{$",
    "[bold]z[/nope] [/x]",
    "first\n\n# second\r\nthird\u2028fourth",
    "steers \x1b[2J\x1b]0;title\x07 \x9b31m \x08 \x7f \x00",
    "turned \u202e around \u2066 here \u200f",
    "half \ud800 a pair",
    "emoji \U0001f600 \U0001f469\u200d\U0001f4bb, \u663e\u5361",
    "  ",
    "",
)


def is_plain(text: str) -> bool:
    """Whether text prints, and does nothing else; a joiner makes one picture of two emoji."""
    return all(character.isprintable() or character in "\n\u200d" for character in text)


def tokens(markdown: str) -> list[Token]:
    """What a reader of GitHub's Markdown finds."""
    return list(_flat(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)))


def _flat(found: list[Token]) -> Iterator[Token]:
    for token in found:
        yield token
        yield from _flat(token.children or [])
