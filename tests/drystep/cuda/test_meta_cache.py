import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from drystep.cuda.meta_cache import MetaCache

aten = torch.ops.aten
NO_ROOM = "ignore:An output with one or more elements was resized"
"""PyTorch warns where a call does what it is made for here."""


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


class Counted:
    """An operator that counts its calls under its name."""

    def __init__(self, operator: Any, calls: Counter[str]) -> None:
        self._operator = operator
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._calls[str(self._operator)] += 1
        return self._operator(*args, **kwargs)


def test_what_is_no_new_question_is_answered_without_the_operator() -> None:
    calls: Counter[str] = Counter()
    cache, add, scale = MetaCache(), Counted(aten.add.Tensor, calls), Counted(aten._foreach_mul_.ScalarList, calls)
    x, y = _meta(2, 3), _meta(2, 3)
    for factor in (0.5, 0.25, 0.125):
        cache(add, (x, y), {})
        cache(scale, ([x, y], [factor, int(1 / factor)]), {})
    assert calls == {"aten.add.Tensor": 1, "aten._foreach_mul_.ScalarList": 1}


class Caching(TorchDispatchMode):
    """Runs operators through a cache, and counts those that it calls on meta tensors, views aside."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = MetaCache()
        self.calls: Counter[str] = Counter()
        self.operators: dict[Any, Counted] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        on_meta = any(tensor.is_meta for tensor in _tensors_in((args, kwargs or {})))
        if not on_meta or any(argument.alias_info and not argument.alias_info.is_write
                              for argument in func._schema.arguments):  # fmt: skip
            return self.cache(func, args, kwargs or {})
        counted = self.operators.setdefault(func, Counted(func, self.calls))
        return self.cache(counted, args, kwargs or {})


def test_a_second_step_of_adamw_calls_no_operator_again() -> None:
    """Though its numbers differ: the bias correction by step, the learning rate by schedule."""
    layers = [torch.nn.Linear(4, 4, device="meta") for _ in range(3)]
    optimizer = torch.optim.AdamW([p for layer in layers for p in layer.parameters()], lr=0.1, foreach=True)
    with Caching() as caching:
        for rate in (0.1, 0.09, 0.08):
            optimizer.param_groups[0]["lr"] = rate
            for parameter in optimizer.param_groups[0]["params"]:
                parameter.grad = torch.empty_like(parameter)
            before = caching.calls.total()
            optimizer.step()
            if rate == 0.1:
                assert caching.calls["aten._foreach_addcdiv_.ScalarList"] == 1
                assert caching.calls.total() > before
            else:
                assert caching.calls.total() == before


@pytest.mark.filterwarnings(NO_ROOM)
def test_in_place_operators_that_change_the_layout_do_so_each_time() -> None:
    cache = MetaCache()
    for dim, shape in ((0, (2, 1, 3)), (1, (2, 3)), (2, (2, 1, 3))):  # the first changes nothing
        assert cache(aten.squeeze_.dim, (_meta(2, 1, 3), dim), {}).shape == shape
    for size in (4, 64):
        x = _meta(4)
        cache(aten.resize_.default, (x, [size]), {})
        assert (x.shape, x.untyped_storage().nbytes()) == ((size,), 4 * size)
    for end in (4, 9):
        x = _meta(4)
        cache(aten.arange.start_out, (0, end), {"out": x})
        assert x.shape == (end,)
    x = _meta(2, 6)
    for source in (x.detach(), _meta(2, 6), _meta(5)):  # the first changes nothing
        cache(aten.set_.source_Tensor, (x, source), {})
        assert x.shape == source.shape
        assert x.untyped_storage()._cdata == source.untyped_storage()._cdata


def test_numbers_of_one_value_are_told_apart_by_type() -> None:
    cache, integers = MetaCache(), _meta(3, dtype=torch.int64)
    for number, dtype in ((1, torch.int64), (True, torch.int64), (1.0, torch.float32), (1 + 0j, torch.complex64)):
        assert cache(aten.add.Tensor, (integers, number), {}).dtype == dtype
        assert cache(aten.full.default, ([2], number), {"device": "meta"}).dtype == torch.full([2], number).dtype
    for _ in range(2):
        cache(aten.add_.Tensor, (integers, 1), {})
        with pytest.raises(RuntimeError, match="in-place|cast"):
            cache(aten.add_.Tensor, (integers, 1.0), {})


def test_what_is_no_number_is_one_question() -> None:
    calls: Counter[str] = Counter()
    cache, fill = MetaCache(), Counted(aten.masked_fill.Scalar, calls)
    for _ in range(3):
        cache(fill, (_meta(3), _meta(3, dtype=torch.bool), math.inf - math.inf), {})
    assert calls.total() == 1


def test_options_are_told_apart_by_name_and_value() -> None:
    cache, x = MetaCache(), _meta(2, 4, 6, 6)
    for _ in range(2):
        for options in (
            {"dtype": torch.float16},
            {"dtype": torch.int8},
            {"memory_format": torch.channels_last},
            {"pin_memory": False},
            {"layout": torch.strided},
            {"device": "cpu"},
        ):
            expected = aten.empty_like.default(x, **options)
            found = cache(aten.empty_like.default, (x,), options)
            assert (_layout(found), found.device) == (_layout(expected), expected.device)
        for name in ("min", "max"):
            assert cache(aten.clamp_.default, (x,), {name: 1}) is x


def test_the_same_values_under_other_names_are_another_question() -> None:
    cache = MetaCache()
    tall = cache(aten.empty_strided.default, (), {"size": [2, 3], "stride": [3, 1], "device": "meta"})
    wide = cache(aten.empty_strided.default, (), {"stride": [2, 3], "size": [3, 1], "device": "meta"})
    assert (tall.shape, tall.stride()) == (wide.stride(), wide.shape) == ((2, 3), (3, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda run, x, y: run(aten.add_.Tensor, (x[1:], y[:-1]), {}),
        lambda run, x, y: run(aten.copy_.default, (x[:4], y[2:6]), {}),
        lambda run, x, y: run(aten.mul_.Tensor, (x[:4], y[:1]), {}),
        lambda run, x, y: run(aten._foreach_add_.List, ([x[1:], x[:4]], [y[:-1], y[4:]]), {}),
        lambda run, x, y: run(aten.index_copy_.default, (x[:3], 0, _meta(3, dtype=torch.int64), y[2:5]), {}),
        lambda run, x, y: run(aten.as_strided_copy.default, (y[4:], [4], [2]), {}),
    ],
)
def test_where_arguments_begin_in_whose_storage_is_no_question(call) -> None:
    """Arguments of the same layouts overlap or do not, end too early or do not: on meta they are answered alike.

    Kernels of real devices refuse some; if those of meta came to do so, answers would have to know.
    """
    cache = MetaCache()
    x = _meta(8)
    for y in (_meta(20)[:8], x):
        found, plain = call(cache, x, y), call(lambda func, args, kwargs: func(*args, **kwargs), x, y)
        assert type(found) is type(plain)
        for ours, theirs in zip(_tensors_in(found), _tensors_in(plain), strict=True):
            assert _layout(ours) == _layout(theirs)
            assert ours.storage_offset() == theirs.storage_offset()


def test_the_default_type_is_part_of_the_question() -> None:
    cache = MetaCache()
    for dtype in (torch.float32, torch.float64):
        torch.set_default_dtype(dtype)
        try:
            assert cache(aten.empty.memory_format, ([2],), {"device": "meta"}).dtype == dtype
        finally:
            torch.set_default_dtype(torch.float32)


def test_what_cannot_be_looked_up_is_called() -> None:
    """Objects with a state, and operators that are there for what they do beside their results."""
    cache, generator = MetaCache(), torch.Generator()
    first, second = (cache(aten.randn.generator, ([3],), {"generator": generator}) for _ in range(2))
    assert not torch.equal(first, second)
    sparse = torch.empty(3, 3, device="meta", layout=torch.sparse_coo)
    for _ in range(2):
        assert cache(aten.add.Tensor, (sparse, sparse), {}).layout == torch.sparse_coo
        assert cache(aten.empty.memory_format, ([2],), {"device": "meta", "layout": torch.sparse_coo}).is_sparse
    seen = []

    class Keeper:
        """Equal to all of its kind, and it cannot be hashed."""

        __hash__ = None

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Keeper)

    def operator(*args: object) -> None:
        seen.append(args)

    for _ in range(2):
        cache(operator, (Keeper(), {"a": [1]}), {})
    assert len(seen) == 2


def test_an_answer_in_a_storage_that_is_not_its_own_is_no_answer() -> None:
    """Dropout hands its input back in evaluation, and what a result shares with another must stay shared."""
    cache = MetaCache()
    for _ in range(2):
        x, row = _meta(4, 6), _meta(6)
        same = cache(aten.dropout.default, (x, 0.5, False), {})
        assert same.untyped_storage()._cdata == x.untyped_storage()._cdata
        grids = cache(aten.meshgrid.indexing, ([row, row],), {"indexing": "ij"})
        assert len({grid.untyped_storage()._cdata for grid in (row, *grids)}) == 1
        (whole,) = cache(aten.broadcast_tensors.default, ([x],), {})
        assert whole.untyped_storage()._cdata == x.untyped_storage()._cdata


@pytest.fixture
def roomy() -> Iterator[Any]:
    """Operators of another package.

    The result of one is the beginning of a larger storage, one has two results in one storage, one lets its argument
    take all of its storage.
    """
    library = torch.library.Library("drystep_test_cache", "FRAGMENT")
    library.define("head(Tensor x) -> Tensor")
    library.define("halves(Tensor x) -> (Tensor, Tensor)")
    library.define("fill_up(Tensor(a!) x) -> Tensor(a!)")
    library.impl("fill_up", lambda x: x.resize_(x.untyped_storage().nbytes() // 4), "Meta")
    library.impl("head", lambda x: x.new_empty(100)[:3], "Meta")
    library.impl("halves", lambda x: tuple(x.new_empty(6).view(2, 3).unbind()), "Meta")
    yield torch.ops.drystep_test_cache
    library._destroy()


def test_an_answer_has_all_the_room_behind_it(roomy) -> None:
    cache, x = MetaCache(), _meta(3)
    for _ in range(2):
        assert cache(roomy.head.default, (x,), {}).untyped_storage().nbytes() == 400
        first, second = cache(roomy.halves.default, (x,), {})
        assert first.untyped_storage()._cdata == second.untyped_storage()._cdata
        assert second.storage_offset() == 3


def test_what_others_do_to_their_arguments_is_done_each_time(roomy) -> None:
    cache = MetaCache()
    for x, size in ((_meta(3), 3), (_meta(8)[:3], 8)):  # of the same layout, and the first changes nothing
        assert cache(roomy.fill_up.default, (x,), {}) is x
        assert x.shape == (size,)


def _tensors_in(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors_in(item)


SHAPES = ((1, 4, 1), (2, 3), (3, 2), (2, 1, 3, 4), (4,), ())
LAYOUTS = ("plain", "transposed", "cut", "sparse", "expanded")
DTYPES = (torch.float32, torch.float16, torch.int64)
NUMBERS = (0, 1, 2, -1, True, 0.0, 1.0, 0.5, -2.0, math.inf, math.nan)
Draw = Callable[[st.SearchStrategy], Any]
Spec = tuple[tuple[int, ...], str, torch.dtype]


def _make(spec: Spec) -> torch.Tensor:
    shape, layout, dtype = spec
    options = {"dtype": dtype, "device": "meta"}
    if not shape:
        return torch.empty(5, **options)[2] if layout == "cut" else torch.empty((), **options)
    if layout == "transposed":
        return torch.empty(shape[::-1], **options).permute(*range(len(shape))[::-1])
    if layout == "cut":
        return torch.empty(shape[0] + 3, *shape[1:], **options)[2:-1]
    if layout == "sparse":
        return torch.empty(*shape[:-1], 2 * shape[-1], **options)[..., ::2]
    if layout == "expanded":
        return torch.empty(1, *shape[1:], **options).expand(shape)
    return torch.empty(shape, **options)


def _sharing(tensor: torch.Tensor, how: str) -> torch.Tensor:
    """A tensor in the storage of another, perhaps itself."""
    if how == "same":
        return tensor
    return tensor[..., -1:] if how == "part" and tensor.dim() else tensor.detach()


class Call:
    """One call in the making: arguments are drawn once, and tensors of them made as often as it is made."""

    def __init__(self, draw: Draw, specs: list[Spec]) -> None:
        self.draw = draw
        self.specs = specs
        self.makers: list[Callable[[list[torch.Tensor]], torch.Tensor]] = []
        self.first = self.specs[0]

    def tensor(self, *shape: int, dtype: torch.dtype | None = None) -> int:
        """A tensor of a stated shape, or of one of the specs; perhaps one that shares its storage with another."""
        if shape:
            spec = (shape, "plain", dtype or torch.float32)
            self.makers.append(lambda made: _make(spec))
        elif self.makers and self.draw(st.integers(0, 2)) == 0:
            how, other = (
                self.draw(st.sampled_from(("same", "view", "part"))),
                self.draw(st.integers(0, len(self.makers) - 1)),
            )
            self.makers.append(lambda made: _sharing(made[other], how))
        else:
            drawn = self.draw(st.sampled_from(self.specs))
            self.makers.append(lambda made: _make(drawn))
        return len(self.makers) - 1

    def dim(self) -> int:
        """Mostly one that the first tensor has."""
        rank = len(self.first[0])
        return self.draw(st.integers(-rank, rank))

    def number(self) -> object:
        return self.draw(st.sampled_from(NUMBERS))

    def size(self) -> list[int]:
        return list(self.draw(st.sampled_from(((4,), (2, 3), (6,), (12, 2), (1, 4, 1), (64,), (0,)))))


def _t(index: int) -> tuple[str, int]:
    """Where a tensor comes in an argument."""
    return ("tensor", index)


def _unary_in_place(*operators: Any) -> Callable[[Call], Any]:
    return lambda call: (call.draw(st.sampled_from(operators)), [_t(call.tensor())], {})


def _with_number(*operators: Any) -> Callable[[Call], Any]:
    return lambda call: (call.draw(st.sampled_from(operators)), [_t(call.tensor()), call.number()], {})


def _with_dim(*operators: Any) -> Callable[[Call], Any]:
    return lambda call: (call.draw(st.sampled_from(operators)), [_t(call.tensor()), call.dim()], {})


def _with_dims(*operators: Any) -> Callable[[Call], Any]:
    return lambda call: (call.draw(st.sampled_from(operators)), [_t(call.tensor()), call.dim(), call.dim()], {})


def _binary(*operators: Any) -> Callable[[Call], Any]:
    def build(call: Call) -> Any:
        options = {"alpha": call.number()} if call.draw(st.booleans()) else {}
        operator = call.draw(st.sampled_from(operators))
        if not any(argument.name == "alpha" for argument in operator._schema.arguments):
            options = {}
        return operator, [_t(call.tensor()), _t(call.tensor())], options

    return build


def _ternary(*operators: Any) -> Callable[[Call], Any]:
    def build(call: Call) -> Any:
        options = {"value": call.number()} if call.draw(st.booleans()) else {}
        return call.draw(st.sampled_from(operators)), [_t(call.tensor()) for _ in range(3)], options

    return build


def _lists(count: int, *operators: Any) -> Callable[[Call], Any]:
    """Operators on lists of tensors: `count` of them, and a number or a number for each."""

    def build(call: Call) -> Any:
        operator, length = call.draw(st.sampled_from(operators)), call.draw(st.integers(1, 2))
        lists = [[_t(call.tensor()) for _ in range(length)] for _ in range(count)]
        if "ScalarList" in str(operator):
            return operator, [*lists, [call.number() for _ in range(length)]], {}
        return operator, [*lists, call.number()] if "Scalar" in str(operator) else lists, {}

    return build


def _out(operator: Any, *kinds: str) -> Callable[[Call], Any]:
    """Variants that write to an argument, which they resize where its size is another."""

    def build(call: Call) -> Any:
        makers = {
            "tensor": lambda: _t(call.tensor()),
            "tensors": lambda: [_t(call.tensor()), _t(call.tensor())],
            "number": call.number,
            "count": lambda: call.draw(st.integers(0, 5)),
            "dim": call.dim,
            "size": call.size,
        }
        arguments = [makers[kind]() for kind in kinds]
        shape = call.draw(st.sampled_from(((0,), (4,), (2, 3))))
        return operator, arguments, {"out": _t(call.tensor(*shape))}

    return build


def _clamped(call: Call) -> Any:
    names = call.draw(st.sampled_from((("min",), ("max",), ("min", "max"), ("max", "min"))))
    operator = call.draw(st.sampled_from((aten.clamp_.default, aten.clamp.default)))
    return operator, [_t(call.tensor())], {name: call.number() for name in names}


def _summed(call: Call) -> Any:
    options = {"dtype": call.draw(st.sampled_from(DTYPES))} if call.draw(st.booleans()) else {}
    dims = call.draw(st.sampled_from(([call.dim()], [], [0, 1], None)))
    return aten.sum.dim_IntList, [_t(call.tensor()), dims, call.draw(st.booleans())], options


def _joined(call: Call) -> Any:
    operator = call.draw(st.sampled_from((aten.cat.default, aten.stack.default)))
    return operator, [[_t(call.tensor()) for _ in range(call.draw(st.integers(1, 3)))], call.dim()], {}


def _resized(call: Call) -> Any:
    options = {"memory_format": torch.channels_last} if call.draw(st.integers(0, 4)) == 0 else {}
    return aten.resize_.default, [_t(call.tensor()), call.size()], options


def _strided(call: Call) -> Any:
    operators = (
        aten.as_strided_.default, aten.as_strided.default, aten.as_strided_copy.default, aten.new_empty_strided.default
    )  # fmt: skip
    size = call.size()
    stride = [call.draw(st.integers(0, 3)) for _ in size]
    offset = {"storage_offset": call.draw(st.integers(0, 4))} if call.draw(st.booleans()) else {}
    operator = call.draw(st.sampled_from(operators))
    return operator, [_t(call.tensor()), size, stride], {} if operator is operators[-1] else offset


def _viewed(call: Call) -> Any:
    operators = (aten.view.default, aten.expand.default, aten.reshape.default, aten._unsafe_view.default)
    return call.draw(st.sampled_from(operators)), [_t(call.tensor()), call.size()], {}


def _selected(call: Call) -> Any:
    index = _t(call.tensor(3, dtype=torch.int64))
    if call.draw(st.booleans()):
        return aten.index_select.default, [_t(call.tensor()), call.dim(), index], {}
    operator = call.draw(st.sampled_from((aten.index_fill_.int_Scalar, aten.index_fill.int_Scalar)))
    return operator, [_t(call.tensor()), call.dim(), index, call.number()], {}


def _normed(call: Call) -> Any:
    length = call.draw(st.sampled_from((2, 3, 4)))
    weight = _t(call.tensor(length)) if call.draw(st.booleans()) else None
    return aten.native_layer_norm.default, [_t(call.tensor()), [length], weight, None, 1e-5], {}


def _convolved(call: Call) -> Any:
    stride, padding = call.draw(st.integers(1, 2)), call.draw(st.integers(0, 1))
    x, weight = _t(call.tensor(1, 2, 6, 5)), _t(call.tensor(4, 2, 3, 3))
    arguments = [x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1]
    return aten.convolution.default, arguments, {}


def _copied(call: Call) -> Any:
    options = {
        name: call.draw(st.sampled_from(values))
        for name, values in (("dtype", DTYPES), ("memory_format", (torch.contiguous_format, torch.preserve_format)))
        if call.draw(st.booleans())
    }
    operator = call.draw(st.sampled_from((aten.empty_like.default, aten._to_copy.default)))
    return operator, [_t(call.tensor())], options


TEMPLATES: tuple[Callable[[Call], Any], ...] = (
    _unary_in_place(aten.squeeze_.default, aten.t_.default, aten.zero_.default, aten.relu_.default),
    _unary_in_place(aten.gelu.default, aten.detach_.default, aten.clone.default),
    _with_dim(aten.squeeze_.dim, aten.unsqueeze_.default, aten.cumsum_.default, aten.unsqueeze.default),
    _with_dim(aten.squeeze_.dim, aten.squeeze.dim, aten.softmax.int, aten.argmax.default),
    _with_dims(aten.transpose_.default, aten.swapaxes_.default, aten.transpose.int),
    _with_number(aten.add_.Tensor, aten.mul_.Tensor, aten.fill_.Scalar, aten.pow_.Scalar),
    _with_number(aten.add.Tensor, aten.mul.Tensor, aten.pow.Tensor_Scalar, aten.add_.Scalar),
    _binary(aten.add_.Tensor, aten.mul_.Tensor, aten.copy_.default, aten.resize_as_.default, aten.set_.source_Tensor),
    _binary(aten.add.Tensor, aten.sub_.Tensor, aten.where.self),
    _ternary(aten.addcdiv_.default, aten.addcmul_.default, aten.addcmul.default),
    _lists(1, aten._foreach_add_.Scalar, aten._foreach_mul_.ScalarList, aten._foreach_sqrt.default),
    _lists(1, aten._foreach_add.Scalar, aten._foreach_neg_.default, aten._foreach_pow.Scalar),
    _lists(2, aten._foreach_add_.List, aten._foreach_lerp_.Scalar, aten._foreach_copy_.default),
    _lists(3, aten._foreach_addcdiv_.Scalar, aten._foreach_addcdiv_.ScalarList, aten._foreach_addcmul.ScalarList),
    _out(aten.add.out, "tensor", "tensor"),
    _out(aten.sum.IntList_out, "tensor", "dim"),
    _out(aten.cat.out, "tensors", "dim"),
    _out(aten.arange.start_out, "number", "count"),
    _out(aten.full.out, "size", "number"),
    _out(aten.clamp.out, "tensor", "number"),
    _clamped, _summed, _joined, _resized, _strided, _viewed, _selected, _normed, _convolved, _copied,
)  # fmt: skip


def _filled(argument: Any, tensors: list[torch.Tensor]) -> Any:
    if isinstance(argument, tuple) and len(argument) == 2 and argument[0] == "tensor":
        return tensors[argument[1]]
    if isinstance(argument, list):
        return [_filled(item, tensors) for item in argument]
    return argument


def _outcome(call: Call, built: Any, run: Callable[[Any, tuple, dict], Any]) -> object:
    """All that can be seen of a call: its result, what shares a storage, and how it leaves its arguments."""
    operator, arguments, options = built
    tensors: list[torch.Tensor] = []
    for maker in call.makers:
        tensors.append(maker(tensors))
    args = tuple(_filled(argument, tensors) for argument in arguments)
    kwargs = {name: _filled(value, tensors) for name, value in options.items()}
    try:
        result = run(operator, args, kwargs)
    except Exception as error:  # whatever the operator refuses the call with
        return type(error), [_state(tensor) for tensor in tensors]
    found = [*tensors, *_tensors_in(result)]
    storages = [tensor.untyped_storage()._cdata for tensor in found]
    identities = [id(tensor) for tensor in found]
    return (
        type(result),
        [_state(tensor) for tensor in found],
        [storages.index(storage) for storage in storages],
        [identities.index(identity) for identity in identities],
    )


def _state(tensor: torch.Tensor) -> object:
    return (*_layout(tensor), tensor.storage_offset(), tensor.device)


SPECS = st.tuples(st.sampled_from(SHAPES), st.sampled_from(LAYOUTS), st.sampled_from(DTYPES))


@pytest.mark.filterwarnings(NO_ROOM)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_cached_call_does_what_the_call_does(data: st.DataObject) -> None:
    """Few operators and few layouts at a time, so that a question comes up again with other numbers."""
    specs = data.draw(st.lists(SPECS, min_size=1, max_size=2))
    templates = data.draw(st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=2))
    cache = MetaCache()
    for _ in range(data.draw(st.integers(2, 12))):
        call = Call(data.draw, specs)
        built = data.draw(st.sampled_from(templates))(call)
        plain = _outcome(call, built, lambda operator, args, kwargs: operator(*args, **kwargs))
        assert _outcome(call, built, cache) == plain, built
