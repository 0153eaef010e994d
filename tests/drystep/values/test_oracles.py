import pytest
import torch

from drystep import Oracles
from drystep.values.oracles import as_item


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": -1}, "oracle rows must be a whole number of rows from 0 on, not -1"),
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
