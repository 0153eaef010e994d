import pytest
import torch

from drystep import Oracles
from drystep.values.oracles import as_item


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
