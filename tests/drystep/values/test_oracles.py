import json
from dataclasses import asdict

import pytest
import torch

from drystep import Oracles
from drystep.values.oracles import Share, as_count, as_item


def _nested(levels: int) -> object:
    """A number in lists within lists."""
    answer: object = 1
    for _ in range(levels):
        answer = [answer]
    return answer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": -1}, "oracle rows must be a whole number of rows from 0 to 1000000000000, not -1"),
        ({"rows": True}, "oracle rows must be a whole number of rows from 0 to 1000000000000, not True"),
        ({"rows": 10**12 + 1}, "oracle rows must be a whole number of rows from 0 to 1000000000000, not 1000000000001"),
        ({"rows": float("inf")}, "oracle rows must be a number between -2\\*\\*62 and 2\\*\\*62, not inf"),
        ({"rows": 1e300}, "oracle rows must be a number between .*, not 1e\\+300"),
        ({"item": float("nan")}, "oracle item must be a number between .*, not nan"),
        ({"item": -(10**400)}, "oracle item must be a number between .*, not a number of about 400 digits"),
        ({"by_name": {"nms": float("-inf")}}, "oracle nms must be a number between .*, not -inf"),
        ({"rows": 2.5}, "oracle rows must be a whole number"),
        ({"rows": "many"}, "oracle rows must be a number, not 'many'"),
        ({"by_name": {"nms": None, "item": "x"}}, "oracle item must be a number, not 'x'"),
        ({"by_name": {"nms": []}}, "oracle nms states no answer: give at least one"),
        ({"by_name": {"nms": [3, []]}}, "oracle nms states no answer: give at least one"),
        ({"by_name": {"nms": [3, None]}}, "oracle nms must be a number, not None"),
        ({"by_name": {"nms": [[3, "x"]]}}, "oracle nms must be a number, not 'x'"),
        ({"by_name": {"nms": (3, float("nan"))}}, "oracle nms must be a number between .*, not nan"),
        ({"by_name": {"nms": {"of_all": 0.5}}}, "oracle nms must be a number, not {'of_all': 0.5}"),
        ({"by_name": {"nms": _nested(65)}}, "oracle nms states lists within lists, more than 64 deep"),
        ({"by_name": {"nms": _nested(10_000)}}, "oracle nms states lists within lists, more than 64 deep"),
        ({"rows": Share(0.5)}, "oracle rows must be one number, not 50%: shares and lists answer for an operator"),
        ({"item": [1, 2]}, r"oracle item must be one number, not \[1, 2\]: shares and lists answer"),
    ],
)
def test_what_is_no_answer(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Oracles(**arguments)


@pytest.mark.parametrize(
    ("dtype", "item"), [(torch.float16, 1.0), (torch.int64, 1), (torch.bool, True), (torch.complex64, 1 + 0j)]
)
def test_items_have_the_type_that_pytorch_returns(dtype: torch.dtype, item: object) -> None:
    assert as_item(1.0, dtype) == item == torch.ones((), dtype=dtype).item()
    assert type(as_item(1.0, dtype)) is type(torch.ones((), dtype=dtype).item())


@pytest.mark.parametrize(("of_all", "text"), [(0, "0%"), (1, "100%"), (0.125, "12.5%")])
def test_a_share_of_the_rows(of_all: float, text: str) -> None:
    assert str(Share(of_all)) == text
    assert as_count("nms", Share(of_all), 800) == 800 * of_all
    with pytest.raises(ValueError, match=f"oracle nms must be a number of rows, not {text}: it has no limit"):
        as_count("nms", Share(of_all))


@pytest.mark.parametrize(("of_all", "given"), [(2.0, "200 %"), (-0.01, "-1 %"), (float("nan"), "nan %"), ("x", "'x'")])
def test_what_is_no_share(of_all: object, given: str) -> None:
    with pytest.raises(ValueError, match=rf"a share of rows must be from 0 \(0 %\) to 1 \(100 %\), not {given}$"):
        Share(of_all)


@pytest.mark.parametrize(
    "oracles",
    [
        Oracles(),
        Oracles(rows=5, item=-1.5),
        Oracles(by_name={"nms": Share(0.25), "unique": 3, "loss": [512, Share(0.5)], "grid": [[1, 16, 16], [1, 8, 8]]}),
    ],
)
def test_oracles_come_back_from_json(oracles: Oracles) -> None:
    assert Oracles.from_fields(json.loads(json.dumps(asdict(oracles)))) == oracles
