"""Which field of a result line stands where in its text, also of a line that is no JSON."""

import re

TOO_DEEP = 64
"""Levels that no part of a line has."""
STEPS = 6
"""Of a path that are named."""
TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)

Path = list[str]
"""Names, and [1] for an item of a list."""


def path_at(content: bytes, offset: int | None = None) -> Path:
    """The path to what stands at a byte; without one, to where the text becomes too deep. Empty where there is none."""
    path: list[str | int] = []  # of each open object the name that was read last, of each open list the position
    text = b""
    for token in TOKENS.finditer(content):
        if offset is not None and token.start() >= offset:
            return _named(path)
        sign = token[0]
        if sign in b"{[":
            path.append("" if sign == b"{" else 0)
        elif sign in b"}]":
            path = path[:-1]
        elif sign == b":" and path and isinstance(path[-1], str):
            path[-1] = text[1:-1].decode(errors="replace")
        elif sign == b"," and path:
            path[-1] = "" if isinstance(path[-1], str) else path[-1] + 1
        else:
            text = sign
        if len(path) > TOO_DEEP:
            return _named(path)
    return _named(path) if offset is not None else []


def _named(path: list[str | int]) -> Path:
    return [f"[{step}]" if isinstance(step, int) else step for step in path[:STEPS] if step != ""]
