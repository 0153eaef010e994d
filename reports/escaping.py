"""Text of unknown origin in a document: it is shown as it is, and does nothing there."""

import re
import unicodedata

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories: control and format characters, halves of surrogate pairs, ends of lines and paragraphs."""
JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need, and that move nothing."""
SPACES = re.compile(r"[\s\x1c-\x1f\x85]+")
ENTITIES = {"&": "&amp;", "<": "&lt;"}
ACTIVE = re.compile(
    "|".join((
        r"[\\`*\[\]|~$&<]",  # escapes, code, emphasis, links, cells, strikethrough, formulas, entities, tags
        r"(?<![^\W_])_|_(?![^\W_])",  # emphasis, which an underscore inside a word is not
        r"(?<=:)//|(?<=www)\.",  # addresses, which GitHub turns into links
    )),
    re.IGNORECASE,
)  # fmt: skip
OPENING = re.compile(r"[#>+=-]|(?<=\d)[.)]")
"""What makes a heading, a quotation, a list or a rule at the beginning of a line; with digits before the last two."""


def markdown_cell(text: object) -> str:
    """Text for one cell of a table, or for the middle of a line of Markdown; HTML shows it as it is, too."""
    return ACTIVE.sub(_escaped, one_line(text))


def markdown_line(text: object) -> str:
    """Text for the beginning of a line of Markdown, such as an item of a list."""
    escaped = markdown_cell(text)
    digits = re.match(r"\d*", escaped).end()  # type: ignore[union-attr]  # it matches nothing, too
    opening = OPENING.match(escaped, digits)
    return f"{escaped[:digits]}\\{escaped[digits:]}" if opening else escaped


def one_line(text: object) -> str:
    """The text on one line, with escapes such as `\\x1b` for characters that do not print."""
    line = SPACES.sub(" ", str(text)).strip(" ")
    return line if line.isascii() and line.isprintable() else "".join(map(_shown, line))


def character_number(character: str) -> str:
    """How a character that cannot be shown is written: `\\x1b`."""
    return character.encode("unicode_escape").decode()


def _shown(character: str) -> str:
    hidden = character not in JOINERS and unicodedata.category(character) in HIDDEN
    return character_number(character) if hidden else character


def _escaped(match: re.Match[str]) -> str:
    active = match[0]
    return ENTITIES.get(active) or f"\\{active[0]}{active[1:]}"
