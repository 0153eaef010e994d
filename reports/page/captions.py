"""Captions of tables, which are Markdown, as pieces of text with a look; no other markup comes out of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(r"\\([!-/:-@\[-`{-~])|(\*\*)|(\*)|(`)([^`]*)`|(&lt;)|(&amp;)")
"""An escaped character, strong, emphasis, code, and the two entities that escaping writes."""


@dataclass(frozen=True)
class Piece:
    """Text that looks the same from its beginning to its end."""

    text: str
    tag: str
    """`strong`, `em`, `code`, or "" for plain text."""


def pieces(caption: str) -> list[Piece]:
    """The caption's text, without its marks."""
    found: list[Piece] = []
    for piece in _pieces(caption):
        if found and found[-1].tag == piece.tag:
            found[-1] = Piece(found[-1].text + piece.text, piece.tag)
        elif piece.text:
            found.append(piece)
    return found


def _pieces(caption: str) -> Iterator[Piece]:
    tag, end = "", 0
    for match in TOKEN.finditer(caption):
        yield Piece(caption[end : match.start()], tag)
        end = match.end()
        escaped, strong, emphasis, code, of_code, less, ampersand = match.groups()
        if strong or emphasis:
            name = "strong" if strong else "em"
            tag = "" if tag == name else name
        elif code:
            yield Piece(of_code, "code")
        else:
            yield Piece(escaped or ("<" if less else "&" if ampersand else ""), tag)
    yield Piece(caption[end:], tag)
