"""Result lines with anything in any place: each is a result or a `ValueError` in words, and nothing else is raised."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.results.full_line import LINE, PATHS, Path, line_with, read


def test_a_line_cut_anywhere_is_no_result() -> None:
    content = LINE.encode()
    for end in range(len(content)):
        assert isinstance(read(content[:end]), str)


def test_any_field_may_be_left_out() -> None:
    for path in PATHS:
        line = json.loads(LINE)
        holder = line
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        read(json.dumps(line))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**25, -1, 2**60 + 1, "ok"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(path=st.sampled_from(PATHS), value=VALUES)
@settings(max_examples=400, deadline=None)
def test_any_value_anywhere(path: Path, value: object) -> None:
    read(line_with(path, value))


NO_JSON = ["NaN", "-Infinity", "[" * 2000, "[" * 2000 + "]" * 2000, "'x'", "0" * 30, "", "\x00", "//", "tru"]
NO_FIGURE = ["1e999", "9" * 400, "9" * 5000, '"\\ud800"']
HOSTILE = [*NO_JSON, *NO_FIGURE, "-1", '{"a": 1, "a": 2}', "1.0", '""', "[]"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_at_every_path(hostile: str) -> None:
    for path in PATHS:
        found = read(line_with(path, "%").replace('"%"', hostile))
        if hostile in NO_JSON or hostile in NO_FIGURE:
            assert isinstance(found, str), path


@given(st.binary(max_size=200), st.integers(0, len(LINE)))
@settings(max_examples=300, deadline=None)
def test_any_bytes_anywhere(inserted: bytes, position: int) -> None:
    content = LINE.encode()
    read(content[:position] + inserted + content[position:])
    read(inserted)


def test_any_byte_may_be_another() -> None:
    content = LINE.encode()
    chosen = random.Random(0)
    for position in range(len(content)):
        read(content[:position] + bytes([chosen.randrange(256)]) + content[position + 1 :])
