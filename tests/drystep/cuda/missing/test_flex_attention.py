"""`flex_attention` that is not compiled: the same on meta and for real on the CPU, with its whole scores."""

from collections import Counter

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from drystep.simulator import trace_steps
from drystep.trace.trace import Trace

META, CPU = torch.device("meta"), torch.device("cpu")
BATCH, HEADS, TOKENS, WIDTH = 2, 4, 64, 16
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without")


def _step(device: torch.device, masked: bool):
    """Attention with a trained bias of all positions, if masked causal and inside documents."""
    parts = [torch.nn.Parameter(torch.zeros(BATCH, HEADS, TOKENS, WIDTH).to(device)) for _ in range(3)]
    bias = torch.nn.Parameter(torch.zeros(HEADS, TOKENS, TOKENS).to(device))
    documents = torch.zeros(TOKENS, dtype=torch.int64).to(device)
    optimizer = torch.optim.SGD([*parts, bias])

    def inside(batch, head, query, key):
        return (query >= key) & (documents[query] == documents[key])

    def biased(score, batch, head, query, key):
        return score + bias[head, query, key]

    def step() -> None:
        optimizer.zero_grad()
        sizes = {"B": None, "H": None, "Q_LEN": TOKENS, "KV_LEN": TOKENS, "BLOCK_SIZE": 32}
        mask = create_block_mask(inside, device=device, **sizes) if masked else None
        flex_attention(*parts, score_mod=biased, block_mask=mask).mean().backward()
        optimizer.step()
        assert bias.grad is not None

    return step


def _allocated(trace: Trace) -> Counter[tuple[str, str, int]]:
    """By phase and operator, without Python numbers, which a CPU does not copy to the device."""
    sites = [(trace.operators[each.operator], each.requested_bytes) for each in trace.allocations]
    return Counter(
        (operator.phase, operator.name, size)
        for operator, size in sites
        if operator.phase != "build" and operator.name != "detach_.default"
    )


@pytest.mark.parametrize(("masked", "precision"), [(True, "fp32"), (False, "amp-bf16")])
def test_meta_and_cpu_agree(masked: bool, precision: str) -> None:
    meta, cpu = (
        _allocated(trace_steps(lambda device: _step(device, masked), device, "torch-2.11", precision, iterations=2))
        for device in (META, CPU)
    )
    assert meta == cpu
    whole_bytes = 4 * BATCH * HEADS * TOKENS * TOKENS  # in float32 also under autocast
    assert meta["forward", "_safe_softmax.default", whole_bytes] == 2
    assert meta["backward", "exp.default", whole_bytes] == 2


def test_products_of_scores_are_those_of_batches() -> None:
    """Dense attention multiplies by `matmul`, which is taken apart: its kernel is a batched product."""
    trace = trace_steps(lambda device: _step(device, False), META, iterations=1)
    names = Counter(operator.name for operator in trace.operators)
    assert names["bmm.default"] == 2 + 5  # backward computes the scores again
    assert names["matmul.default"] == 0


def test_autocast_casts_query_key_and_value_only() -> None:
    trace = trace_steps(lambda device: _step(device, False), META, precision="amp-bf16", iterations=1)
    cast = 2 * BATCH * HEADS * TOKENS * WIDTH
    copies = [
        each.requested_bytes
        for each in trace.allocations
        if (trace.operators[each.operator].phase, trace.operators[each.operator].name)
        == ("forward", "_to_copy.default")
        and each.requested_bytes == cast
    ]
    assert len(copies) == 3


def test_nothing_of_pytorch_stays_replaced() -> None:
    trace_steps(lambda device: _step(device, False), META, iterations=1)
    tensor = torch.zeros(1, 1, 16, 16, requires_grad=True)
    with pytest.raises(NotImplementedError, match="does not support backward on CPU"):
        flex_attention(tensor, tensor, tensor)
