import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.cases.case import Case
from bench.engines import simulate
from drystep.cuda.legacy import bucket_sizes
from drystep.cuda.rules import Rules
from drystep.cuda.semantics import semantics
from drystep.simulator import simulate as simulate_step
from drystep.trace.recorder import record

CPU, META = torch.device("cpu"), torch.device("meta")
MIB = 1 << 20


def saved_bytes(step) -> int:
    """Bytes of the distinct storages that a step saves for backward."""
    storages: dict[int, torch.UntypedStorage] = {}

    def saved(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor):
        step()
    return sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax])
def test_softmax_keeps_its_input_too(function) -> None:
    x = torch.randn(10, 10, requires_grad=True)
    for profile, copies in (("torch-2.11", 1), ("mm-2021", 2)):
        with semantics(profile, "fp32", CPU):
            assert saved_bytes(lambda: function(x * 1, -1)) == copies * 400


@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax])
def test_legacy_softmax_has_the_same_values(function) -> None:
    x = torch.randn(4, 6, requires_grad=True, dtype=torch.float64)
    expected = function(x, 1)
    with semantics("mm-2021", "fp32", CPU):
        assert torch.equal(function(x, 1), expected)
        assert torch.autograd.gradcheck(lambda x: function(x, 1), x)


def test_cross_entropy_keeps_the_logits() -> None:
    x, labels = torch.randn(8, 5, requires_grad=True), torch.zeros(8, dtype=torch.long)

    def kept(profile: str) -> int:
        with semantics(profile, "fp32", CPU):
            return saved_bytes(lambda: nn.functional.cross_entropy(x * 1, labels))

    assert kept("mm-2021") - kept("torch-2.11") == 8 * 5 * 4


def test_zero_grad_writes_zeros_unless_told_otherwise() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], 0.1)
    weight.grad = torch.ones(3)
    with semantics("mm-2021", "fp32", CPU):
        optimizer.zero_grad()
        assert torch.equal(weight.grad, torch.zeros(3))
        optimizer.zero_grad(set_to_none=True)
        assert weight.grad is None
    weight.grad = torch.ones(3)
    optimizer.zero_grad()
    assert weight.grad is None


def test_buckets_close_with_the_parameter_that_fills_them() -> None:
    sizes = [3 * MIB, 4 * MIB, MIB // 8, MIB // 4]  # elements of 4 bytes; the last parameters come first
    parameters = [torch.empty(size, device="meta") for size in sizes]
    assert [elements for elements, _ in bucket_sizes(parameters)] == [MIB // 4, MIB // 8 + 4 * MIB + 3 * MIB]
    assert bucket_sizes([]) == []


def test_buckets_are_a_second_copy_of_the_gradients_and_optimizers_loop() -> None:
    def build(device: torch.device):
        layers = nn.ModuleList(nn.Linear(100, 100, bias=False, device=device) for _ in range(4))
        layers[0].requires_grad_(False)
        optimizer = torch.optim.AdamW(layers.parameters())

        def step() -> None:
            for layer in layers[1:]:
                layer.weight.grad = torch.empty_like(layer.weight)
            optimizer.step()

        return step

    with semantics("mm-2021", "fp32", META):
        trace = record(build, META, iterations=1)
    made = [(a.requested_bytes, a.category) for a in trace.allocations if trace.operators[a.operator].phase == "build"]
    assert made[4:] == [(3 * 100 * 100 * 4, "gradients")]
    assert not any("foreach" in operator.name for operator in trace.operators)


@pytest.mark.parametrize(
    ("backbone", "window", "published_gib"), [("swin_tiny", 7, 5.02), ("swin_base", 7, 7.61), ("swin_large", 12, 12.42)]
)
def test_published_peaks_of_upernet(backbone: str, window: int, published_gib: float) -> None:
    """`max_memory_allocated` on V100 cards, from mmsegmentation's configs/swin: 512 x 512, 2 images per GPU, fp32."""
    case = Case(task="ade20k", method="full", backbone=backbone, window=window, profile="mm-2021", engine="simulate")
    memory = simulate.measure(case, []).memory
    assert memory["peak_allocated_bytes"] / 2**30 == pytest.approx(published_gib, rel=0.005)


@pytest.mark.parametrize(("version", "precision"), [("1.8", "fp32"), ("1.12", "amp-fp16"), ("1.9", "amp-fp16")])
def test_attention_of_1_x_follows_the_rules_of_its_operators(version: str, precision: str) -> None:
    """As much as the same attention written out: its softmax is cast to float32, and keeps its input up to 1.10."""

    def build(device: torch.device, written_out: bool):
        projection = nn.Linear(64, 192, device=device)
        tokens = torch.empty(4, 128, 64, device=device)

        def step() -> None:
            query, key, value = projection(tokens).reshape(4, 128, 3, 4, 16).permute(2, 0, 3, 1, 4)  # (B, heads, L, 16)
            if written_out:
                weights = torch.softmax((query / 4) @ key.transpose(-2, -1), -1)
                attended = weights @ value
            else:
                attended = F.scaled_dot_product_attention(query, key, value)
            attended.sum().backward()

        return step

    by_operator, by_hand = (
        simulate_step(lambda device, way=way: build(device, way), Rules(version), precision).peak_allocated_bytes
        for way in (False, True)
    )
    assert by_operator == by_hand
