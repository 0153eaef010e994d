import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from drystep.cuda.semantics import semantics
from drystep.time.work import work_of
from drystep.trace.recorder import OperatorRules, record
from drystep.trace.trace import Trace

META = torch.device("meta")


def sizes_of(trace: Trace, operator: str) -> list[int]:
    return [a.requested_bytes for a in trace.allocations if trace.operators[a.operator].name == operator]


def attention_trace(bias_shape: tuple[int, ...] | None, dtype: torch.dtype = torch.float32) -> Trace:
    """One step of attention over 49 tokens, as in a Swin window: 2 windows, 3 heads, 32 channels."""

    def build(device: torch.device):
        query = torch.empty(2, 3, 49, 32, device=device, requires_grad=True)
        bias = None if bias_shape is None else torch.empty(bias_shape, device=device, requires_grad=True, dtype=dtype)
        return lambda: F.scaled_dot_product_attention(query, query, query, bias).sum().backward()

    with semantics("torch-2.11", "fp32", META):
        return record(build, META, iterations=1)


def test_attention_keeps_no_map() -> None:
    sizes = sizes_of(attention_trace(None), "_scaled_dot_product_efficient_attention.default")
    output_bytes, logsumexp_bytes = 2 * 3 * 49 * 32 * 4, 2 * 3 * 64 * 4  # 49 rows padded to a multiple of 32
    assert sizes[:2] == [output_bytes, logsumexp_bytes]
    assert max(sizes) < 2 * 3 * 49 * 49 * 4 * 2


def test_a_bias_is_copied_into_aligned_rows() -> None:
    assert 1 * 3 * 49 * 64 * 4 in sizes_of(attention_trace((1, 3, 49, 49)), "constant_pad_nd.default")
    assert not sizes_of(attention_trace(None), "constant_pad_nd.default")


def test_a_mask_of_booleans_becomes_a_bias() -> None:
    query = torch.empty(2, 3, 16, 8, device="meta")
    with semantics("torch-2.11", "fp32", META):
        mask = torch.empty(16, 16, dtype=torch.bool, device="meta")
        assert F.scaled_dot_product_attention(query, query, query, mask).shape == query.shape


def test_the_cpu_keeps_its_own_attention() -> None:
    query = torch.randn(2, 3, 16, 8)
    expected = F.scaled_dot_product_attention(query, query, query)
    with semantics("torch-2.11", "fp32", torch.device("cpu")):
        torch.testing.assert_close(F.scaled_dot_product_attention(query, query, query), expected)


def test_without_a_batch_attention_stays_explicit() -> None:
    def build(device: torch.device):
        query = torch.empty(3, 16, 8, device=device)  # (heads, L, d): no kernel of CUDA's takes three dimensions
        return lambda: F.scaled_dot_product_attention(query, query, query)

    with semantics("torch-2.11", "fp32", META):
        trace = record(build, META, iterations=1)
    names = {operator.name for operator in trace.operators}
    assert "bmm.default" in names
    assert not any("efficient" in name for name in names)


@pytest.mark.parametrize(
    ("backends", "dtype", "is_fused"),
    [
        ([SDPBackend.MATH], torch.float16, False),
        ([SDPBackend.FLASH_ATTENTION], torch.float32, False),
        ([SDPBackend.FLASH_ATTENTION], torch.float16, True),
        ([SDPBackend.EFFICIENT_ATTENTION], torch.float32, True),
    ],
)
def test_the_program_may_disable_fused_kernels(backends, dtype: torch.dtype, is_fused: bool) -> None:
    """Flash attention takes no float32, and explicit attention writes all weights."""

    def build(device: torch.device):
        query = torch.empty(2, 3, 128, 32, dtype=dtype, device=device)

        def step() -> None:
            with sdpa_kernel([*backends, SDPBackend.MATH]):
                F.scaled_dot_product_attention(query, query, query)

        return step

    with semantics("torch-2.11", "fp32", META):
        trace = record(build, META, iterations=1)
    weights_bytes = 2 * 3 * 128 * 128 * dtype.itemsize
    assert (max(allocation.requested_bytes for allocation in trace.allocations) < weights_bytes) is is_fused


def _grouped(dtype: torch.dtype, key_heads: int, masked: bool = False, enable_gqa: bool = True) -> Trace:
    """Attention of 6 heads over 128 tokens of 32 channels, whose keys have fewer heads."""

    def build(device: torch.device):
        query = torch.empty(2, 6, 128, 32, dtype=dtype, device=device, requires_grad=True)
        key = torch.empty(2, key_heads, 128, 32, dtype=dtype, device=device, requires_grad=True)
        mask = torch.empty(128, 128, dtype=dtype, device=device) if masked else None
        options = {"attn_mask": mask, "enable_gqa": enable_gqa}
        return lambda: F.scaled_dot_product_attention(query, key, key, **options).sum().backward()

    with semantics("torch-2.11", "fp32", META):
        return record(build, META, iterations=1, rules=OperatorRules(work_of=work_of))


WEIGHTS = 2 * 6 * 128 * 128


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_grouped_queries_take_flash_attention_in_half_precision(dtype: torch.dtype) -> None:
    """`check_batch_size_and_num_heads_dense<supports_gqa>` in `native/transformers/cuda/sdp_utils.cpp`."""
    trace = _grouped(dtype, 2)
    names = {operator.name for operator in trace.operators}
    assert "_scaled_dot_product_flash_attention.default" in names
    assert max(allocation.requested_bytes for allocation in trace.allocations) < WEIGHTS * 2
    (forward,) = [work for index, work in trace.work if trace.operators[index].name.endswith("flash_attention.default")]
    assert forward.flops == 2 * 2 * WEIGHTS * 32  # two products of every query head with all tokens
    assert not trace.uncounted


@pytest.mark.parametrize(
    ("options", "key_heads"),
    [
        ({"dtype": torch.float32}, 2),
        ({"dtype": torch.bfloat16, "masked": True}, 2),
        ({"dtype": torch.bfloat16, "enable_gqa": False}, 1),
    ],
    ids=["fp32", "masked", "broadcast"],
)
def test_other_uneven_heads_write_all_weights(options: dict, key_heads: int) -> None:
    trace = _grouped(key_heads=key_heads, **options)
    assert max(allocation.requested_bytes for allocation in trace.allocations) >= WEIGHTS * options["dtype"].itemsize
    assert not any("flash" in operator.name or "efficient" in operator.name for operator in trace.operators)
