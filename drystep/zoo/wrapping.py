"""Long lines of made code broken as formatters break them: at their last pair of brackets, by the commas inside."""

from collections.abc import Iterator

LINE_LENGTH = 120
INDENT = "    "
PAIRS = {"(": ")", "[": "]", "{": "}"}


def wrapped(line: str) -> list[str]:
    """A statement in as many lines as it needs.

    What is between its last brackets goes to a line of its own, or, where that is too long, each of its parts does.
    A line without brackets stays as it is.
    """
    if len(line) <= LINE_LENGTH:
        return [line]
    opened, closed = _last_pair(line)
    if closed - opened < 2:
        return [line]
    inner = line[: len(line) - len(line.lstrip())] + INDENT
    body = line[opened + 1 : closed]
    lines = [inner + body]
    if len(lines[0]) > LINE_LENGTH:
        lines = [part for text in _parts(body) for part in wrapped(f"{inner}{text},")]
    return [line[: opened + 1], *lines, inner[len(INDENT) :] + line[closed:]]


def _last_pair(line: str) -> tuple[int, int]:
    """Positions of the last brackets that no others enclose; (0, 0) where there are none."""
    found, stack = (0, 0), []
    for position, character in _outside_text(line):
        if character in PAIRS:
            stack.append(position)
        elif character in PAIRS.values():
            opened = stack.pop()
            if not stack:
                found = (opened, position)
    return found


def _parts(body: str) -> list[str]:
    """What commas outside brackets and texts separate."""
    depth, cuts = 0, [-1]
    for position, character in _outside_text(body):
        depth += (character in PAIRS) - (character in PAIRS.values())
        if character == "," and not depth:
            cuts.append(position)
    return [body[start + 1 : end].strip() for start, end in zip(cuts, [*cuts[1:], len(body)], strict=True)]


def _outside_text(line: str) -> Iterator[tuple[int, str]]:
    """Positions and characters that are not within double quotes."""
    quoted = False
    for position, character in enumerate(line):
        quoted ^= character == '"'
        if not quoted:
            yield position, character
