"""Work of matrix products and fused attention, by arithmetic."""

import pytest
import torch
import torch.nn.functional as F

from tests.drystep.time.counted import meta, work_of_call, work_of_step

aten = torch.ops.aten


def test_a_product() -> None:
    """(8, 32) @ (32, 16): 2 M N K operations, every operand once."""
    left, right, bias = meta(8, 32), meta(32, 16), meta(16)
    (work,) = work_of_step(lambda: left @ right)
    assert (work.kind, work.flops, work.narrowest, work.reduced) == ("linear", 2 * 8 * 16 * 32, 8, 32)
    assert work.moved_bytes == 4 * (8 * 32 + 32 * 16 + 8 * 16)
    (work,) = work_of_step(lambda: torch.addmm(bias, left, right))
    assert work.moved_bytes == 4 * (8 * 32 + 32 * 16 + 8 * 16 + 16)


def test_a_batch_of_products() -> None:
    left, right = meta(3, 8, 32), meta(3, 32, 16)
    (work,) = work_of_step(lambda: left @ right)
    assert (work.kind, work.flops) == ("bmm", 3 * 2 * 8 * 16 * 32)


@pytest.mark.parametrize(
    ("shapes", "padded"),
    [
        (((8, 32), (32, 16)), 2 * 64 * 64 * 32),
        (((64, 32), (32, 128)), 2 * 64 * 128 * 32),
        (((65, 33), (33, 129)), 2 * 128 * 192 * 64),
        (((3, 8, 32), (3, 32, 16)), 3 * 2 * 64 * 64 * 32),
    ],
)
def test_products_fill_up_tiles_of_64_by_64_and_32(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], padded: int
) -> None:
    left, right = (meta(*shape) for shape in shapes)
    func = aten.bmm.default if left.dim() == 3 else aten.mm.default
    (work,) = work_of_call(func, left, right)
    assert work.padded_flops == padded >= work.flops


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.float32, "single"), (torch.float16, "half"), (torch.bfloat16, "half")]
)
def test_groups_of_products(dtype: torch.dtype, name: str) -> None:
    left, right = meta(8, 32, dtype=dtype), meta(32, 16, dtype=dtype)
    assert [work.group for work in work_of_call(aten.mm.default, left, right)] == [f"linear.{name}"]
    (batch,) = work_of_call(aten.bmm.default, left[None], right[None])
    assert batch.group == f"bmm.{name}"


def test_fused_attention() -> None:
    """Two products in the forward pass; in backward the scores again and two gradients of each: five products."""
    images, heads, tokens, width = 2, 4, 16, 8
    shape, product = (images, heads, tokens, width), 2 * images * heads * tokens * tokens * width
    for dtype, name in ((torch.float16, "half"), (torch.float32, "single")):
        q, k, v = (meta(*shape, dtype=dtype, grad=True) for _ in range(3))
        work = work_of_step(lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v).sum().backward())
        found = {each.group: each for each in work if each.kind == "attention"}
        assert set(found) == {f"attention.forward.{name}", f"attention.backward.{name}"}
        assert found[f"attention.forward.{name}"].flops == 2 * product
        assert found[f"attention.backward.{name}"].flops == 5 * product
        assert found[f"attention.forward.{name}"].narrowest == width
        least = 4 * q.nbytes  # query, key, value and result; what is kept for backward is smaller than one of them
        assert least <= found[f"attention.forward.{name}"].moved_bytes < least + q.nbytes


def test_groups_of_query_heads_share_key_and_value() -> None:
    query, shared = meta(2, 8, 16, 32, dtype=torch.float16), meta(2, 2, 16, 32, dtype=torch.float16)
    flash = aten._scaled_dot_product_flash_attention.default
    full, few = work_of_call(flash, query, query, query), work_of_call(flash, query, shared, shared)
    assert full[0].flops == few[0].flops == 2 * 2 * 2 * 8 * 16 * 16 * 32
    assert full[0].moved_bytes - few[0].moved_bytes == 2 * (query.nbytes - shared.nbytes)
