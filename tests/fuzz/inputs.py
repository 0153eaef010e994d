"""Random invalid inputs."""

import json
import sys
from typing import Any

from hypothesis import strategies as st

NASTY_TEXTS = (
    "", " ", "nan", "inf", "-inf", "1e400", "-1", "0", "1.5", "0x10", "1e9", "None", "true", "\x1b[31mred", "\x00",
    "9" * 30, "9" * 5000, "-" + "9" * 400, "1000000000", "10000000000000000000000000", "[bold]x[/nope]", "[/]", "](x)",
    "<script>alert(1)</script>", "![x](http://x/y.png)", "| a | b |", "../../etc/passwd", "/dev/full", "~", "$x^2$",
    "x" * 10_000, "\u202etxet", "\N{SNOWMAN}", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "--help me", "-", "a=b=c", "=", "rows", "%s%n", "{0}", "1x1", "64x64x64", "-64x64", "0x0", "64X64", "64x",
    "1000000000x1000000000", "99999999999999999999x4", "\udcff", "\ud800",
    "\n\n", "a\nb", "'", '"', "\\", ";", "$(id)", "*", "?",
)  # fmt: skip
texts = st.sampled_from(NASTY_TEXTS) | st.text(max_size=40).filter(lambda text: "\0" not in text)
numbers = (
    st.sampled_from(
        [
            float("nan"),
            float("inf"),
            -float("inf"),
            -1,
            0,
            -0.0,
            1.5,
            2**53 + 1,
            2**63,
            2**64,
            10**30,
            10**4000,
            1e308,
            -1e308,
        ]
    )
    | st.integers()
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def deep(levels: int) -> Any:
    """Lists within lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    found = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += _paths(child, (*path, key))
    return found


@st.composite
def changed(draw: st.DrawFn, line: str) -> bytes:
    """A line of JSON with something in it that should not be, as bytes with an end of line."""
    value = json.loads(line)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(_paths(value) or [("x",)]))
        holder = value
        for key in parents:
            holder = holder[key]
        if not isinstance(holder, dict | list) or (isinstance(holder, dict) and last not in holder):
            continue
        change = draw(st.sampled_from(["replace", "remove", "add", "nest"]))
        if change == "remove":
            del holder[last]
        elif change == "add" and isinstance(holder, dict):
            holder[draw(texts)] = draw(values)
        else:
            holder[last] = deep(600) if change == "nest" else draw(values)
    text = written(value).encode()
    if draw(st.integers(0, 4)) == 0:
        position = draw(st.integers(0, len(text)))
        text = text[:position] + draw(st.binary(max_size=8)) + text[position + draw(st.integers(0, 40)) :]
    return text + b"\n"


def written(value: Any) -> str:
    """A value as JSON."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # a file may hold numbers that Python would not write
    try:
        return json.dumps(value)
    finally:
        sys.set_int_max_str_digits(before)
