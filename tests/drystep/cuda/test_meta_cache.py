import pytest
import torch

from drystep.cuda.meta_cache import MetaCache

aten = torch.ops.aten


def _meta(*size: int, **options: object) -> torch.Tensor:
    return torch.empty(*size, device="meta", **options)


def _layout(result: object) -> object:
    if isinstance(result, torch.Tensor):
        return result.shape, result.stride(), result.dtype, result.untyped_storage().nbytes()
    return tuple(_layout(tensor) for tensor in result)


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (aten.native_layer_norm.default, (_meta(2, 3, 8), [8], _meta(8), _meta(8), 1e-5)),
        (aten.mul.Tensor, (_meta(2, 3).t(), _meta(3, 1))),
        (aten.cat.default, ([_meta(2, 3), _meta(4, 3)],)),
        (aten._foreach_sqrt.default, ([_meta(2), _meta(3, 4)],)),
        (aten.gelu.default, (_meta(2, 3, 4).permute(2, 0, 1),)),
    ],
)
def test_remembered_answers_equal_computed_ones(operator, arguments) -> None:
    cache = MetaCache()
    first, second = cache(operator, arguments, {}), cache(operator, arguments, {})
    assert _layout(first) == _layout(second) == _layout(operator(*arguments))
    tensors = (first, second) if isinstance(first, torch.Tensor) else (*first, *second)
    assert len({tensor.untyped_storage()._cdata for tensor in tensors}) == len(tensors)


def test_another_signature_is_another_question() -> None:
    cache = MetaCache()
    x = _meta(4, 6)
    assert cache(aten.sum.dim_IntList, (x, [0]), {}).shape == (6,)
    assert cache(aten.sum.dim_IntList, (x, [1]), {}).shape == (4,)
    assert cache(aten.sum.dim_IntList, (x, [1], True), {}).shape == (4, 1)
    assert cache(aten.sum.dim_IntList, (x, [1]), {"dtype": torch.float64}).dtype == torch.float64
    assert cache(aten.add.Tensor, (x, 1), {}).dtype == torch.float32
    assert cache(aten.add.Tensor, (_meta(4, 6, dtype=torch.int64), 1), {}).dtype == torch.int64
    assert cache(aten.add.Tensor, (_meta(4, 6, dtype=torch.int64), 1.0), {}).dtype == torch.float32


def test_views_and_in_place_results_are_never_replaced() -> None:
    cache = MetaCache()
    x = _meta(4, 6)
    for _ in range(2):
        assert cache(aten.view.default, (x, [24]), {}).untyped_storage()._cdata == x.untyped_storage()._cdata
        assert cache(aten._unsafe_view.default, (x, [24]), {}).untyped_storage()._cdata == x.untyped_storage()._cdata
        assert cache(aten.add_.Tensor, (x, 1), {}) is x


def test_host_tensors_keep_their_values() -> None:
    cache = MetaCache()
    step = torch.zeros(())
    for expected in (1.0, 2.0):
        cache(aten._foreach_add_.Scalar, ([step], 1), {})
        assert step.item() == expected
    assert cache(aten.add.Tensor, (step, 1), {}).item() == 3.0
    step.fill_(7)
    assert cache(aten.add.Tensor, (step, 1), {}).item() == 8.0
