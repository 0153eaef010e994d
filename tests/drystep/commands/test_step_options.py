"""Statements of the command line."""

import pytest

from drystep.commands.step_options import parse_oracles
from drystep.values.oracles import Oracles, Share


@pytest.mark.parametrize(
    ("texts", "oracles"),
    [
        ([], Oracles()),
        (["rows=512"], Oracles(rows=512)),
        (["item=0"], Oracles(item=0)),
        (["item=-1.5", "rows=1e9"], Oracles(rows=10**9, item=-1.5)),
        (["nms=50%"], Oracles(by_name={"nms": Share(0.5)})),
        (["loss=512,128"], Oracles(by_name={"loss": [512, 128]})),
        (["loss=10%,128"], Oracles(by_name={"loss": [Share(0.1), 128]})),
        (["grid_thw=[[1,16,16]]"], Oracles(by_name={"grid_thw": [[1, 16, 16]]})),
        (["grid=[0.5, true]"], Oracles(by_name={"grid": [0.5, True]})),
        (
            ["roi_heads.py:808=512", "RoIHeads.forward=3"],
            Oracles(by_name={"roi_heads.py:808": 512, "RoIHeads.forward": 3}),
        ),
        (["of=a=file.py:3=4"], Oracles(by_name={"of=a=file.py:3": 4})),
        (["item=1,0"], Oracles(by_name={"item": [1, 0]})),
    ],
)
def test_what_a_statement_says(texts: list[str], oracles: Oracles) -> None:
    assert parse_oracles(texts) == oracles


def test_whole_numbers_stay_whole() -> None:
    """A list of sizes must not become one of floats."""
    (answers,) = parse_oracles(["loss=512,128.0"]).by_name.values()
    assert [type(answer) for answer in answers] == [int, int]


@pytest.mark.parametrize(
    "text",
    ["", "rows", "=3", "rows=", "x=many", "x=true", "x=1,,2", "x=1,", "x=%", "x=nan%", "x=[1,2", "x=[1]]", "x=inf",
     "x=[" + "9" * 5000 + "]", "x=" + "[" * 100_000, "x=1;2"],
)  # fmt: skip
def test_what_is_no_statement(text: str) -> None:
    with pytest.raises(
        ValueError, match="is not NAME=NUMBER, such as rows=512 or item=0; a share of the rows is writt"
    ):
        parse_oracles([text])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["x=200%"], "a share of rows must be from 0 .* not 200 %"),
        (["x=[]"], "oracle x states no answer"),
        (["x=[null]"], "oracle x must be a number, not None"),
        (['x=["a"]'], "oracle x must be a number, not 'a'"),
        (["x=[{}]"], "oracle x must be a number, not {}"),
        (["x=[NaN]"], "oracle x must be a number between .*, not nan"),
        (["x=" + "[" * 70 + "1" + "]" * 70], "oracle x states lists within lists, more than 64 deep"),
        (["rows=50%"], "oracle rows must be one number, not 50%"),
        (["rows=5,6"], r"oracle rows must be one number, not \[5, 6\]"),
        (["rows=2.5"], "oracle rows must be a whole number of rows from 0"),
        (["item=5%"], "oracle item must be one number, not 5%"),
        (["x=1", "y=1", "x=2"], "oracle 'x' is stated twice: write several answers as NAME=512,128"),
    ],
)
def test_what_cannot_be_an_answer(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_oracles(texts)
