"""Text of unknown origin for a terminal: what would steer the terminal, or reorder a line, is shown by its number."""

import re
import unicodedata

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories: control and format characters, halves of surrogate pairs, ends of lines and paragraphs."""
JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need, and that move nothing."""
END_OF_LINE = re.compile(r"\s*[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]\s*")


def visible(text: str) -> str:
    """The text with escapes such as `\\x1b` for characters that do not print; its lines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def one_line(text: str) -> str:
    """The visible text on one line."""
    return visible(END_OF_LINE.sub(" ", text.strip()).replace("\t", " "))


def _shown(character: str) -> str:
    if character == "\n" or character in JOINERS or unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode()
