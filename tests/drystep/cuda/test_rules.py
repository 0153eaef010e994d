import inspect
import re

import pytest
import torch
from torch import nn

from drystep import Rules, simulate
from drystep.cuda.rules import PROFILES, VERSIONS, combined, rules_of
from drystep.cuda.semantics import semantics
from drystep.gpus.classes import Gpu, select_gpus
from tests.drystep.cuda.test_legacy import saved_bytes

CPU, META = torch.device("cpu"), torch.device("meta")
MIB = 1 << 20
HOPPER, BLACKWELL, THOR = (
    Gpu(name, name, 81_000, 500, compute_capability=capability)
    for name, capability in (("hopper", "9.0"), ("blackwell", "12.0"), ("thor", "11.0"))
)


def test_versions_compare_as_numbers() -> None:
    assert VERSIONS[0] == "1.7" and {"1.13", "2.0", "2.11"} < set(VERSIONS)
    assert Rules(torch="1.13").version > Rules(torch="1.9").version


@pytest.mark.parametrize(
    ("rule", "last_with", "first_without"),
    [
        ("softmax_keeps_input", "1.10", "1.11"),
        ("relu_keeps_input", "1.9", "1.10"),
        ("zeroed_gradients", "1.13", "2.0"),
        ("writes_attention", "1.13", "2.0"),
    ],
)
def test_what_ended_with_a_version(rule: str, last_with: str, first_without: str) -> None:
    """As read off the wheels."""
    assert getattr(Rules(torch=last_with), rule) and not getattr(Rules(torch=first_without), rule)


def test_foreach_optimizers_came_with_2() -> None:
    assert not Rules(torch="1.13").foreach_optimizers and Rules(torch="2.0").foreach_optimizers


@pytest.mark.parametrize(
    ("rules", "mib"),
    [
        (Rules(torch="1.12"), 0),
        (Rules(torch="1.13"), 8.125),
        (Rules(torch="1.13", card=HOPPER), 8.125),
        (Rules(torch="2.0", card="v100-32gb"), 8.125),
        (Rules(torch="2.0", card=HOPPER), 32),
        (Rules(torch="2.11", card=BLACKWELL), 8.125),
        (Rules(torch="2.12", card=BLACKWELL), 32),
        (Rules(torch="2.13", card=THOR), 8.125),
        (Rules(torch="2.14", card=THOR), 32),
    ],
)
def test_workspaces_of_cublas(rules: Rules, mib: float) -> None:
    """`:4096:2:16:8` is 2 x 4096 KiB and 8 x 16 KiB; on Hopper it is 8 x 4096 KiB."""
    assert rules.cublas_workspace_bytes == mib * MIB


def test_every_rule_names_a_source() -> None:
    properties = {name: value for name, value in vars(Rules).items() if isinstance(value, property)}
    rules = {
        name: value for name, value in properties.items() if name not in ("version", "title", "allocator_settings")
    }
    assert len(rules) >= 6
    for name, value in rules.items():
        text = inspect.getdoc(value) or ""
        assert re.search(r"\d\.\d|pull request|release notes|`\w+/", text), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"torch": "3.0"}, r"unknown version of PyTorch '3.0': choose from 1.7, .*2.11"),
        ({"torch": 2.1}, "the version of PyTorch must be a text, such as '2.11', got 2.1"),
        ({"torch": None}, "must be a text"),
        ({"ddp": "yes"}, "ddp must be True or False, got 'yes'"),
        ({"cudnn_benchmark": 1}, "cudnn_benchmark must be True or False, got 1"),
        ({"allocator": 5}, "allocator must be a text as in PYTORCH_CUDA_ALLOC_CONF, got 5"),
        ({"allocator": "expandable_segments:maybe"}, "expandable_segments must be True or False, not 'maybe'"),
        ({"allocator": "backend:cudaMallocAsync"}, "cudaMallocAsync cannot be simulated"),
        ({"card": "abacus"}, "unknown GPU 'abacus': `drystep gpus` lists all"),
    ],
)
def test_settings_that_are_none(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rules(**settings)


def test_presets_and_combinations() -> None:
    assert rules_of("torch-2.11") == Rules() and rules_of("mm-2021") == Rules(torch="1.8", ddp=True)
    assert combined("mm-2021", torch="1.10") == Rules(torch="1.10", ddp=True)
    assert combined("mm-2021", ddp=False) == Rules(torch="1.8")
    with pytest.raises(ValueError, match="unknown profile 'x': choose from torch-2.11, mm-2021"):
        rules_of("x")
    assert Rules(card="v100-32gb") == Rules(card=select_gpus(["v100-32gb"])[0])
    assert Rules(**PROFILES["mm-2021"].as_dict()) == PROFILES["mm-2021"]


def test_the_allocator_is_configured_by_the_rules_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(device: torch.device):
        return lambda: torch.empty(1_500_000, dtype=torch.uint8, device=device) + 1

    def reserved_bytes(rules: Rules) -> int:
        return simulate(build, rules, gpus=()).peak_reserved_bytes

    # Two blocks of 1.5 MB: a segment of 20 MiB, or pages of it. 32 MiB segments are what is stated.
    assert reserved_bytes(Rules()) == 20 * MIB
    assert reserved_bytes(Rules(allocator="large_segment_size_mb:32")) == 32 * MIB
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "large_segment_size_mb:64")
    assert reserved_bytes(Rules()) == 64 * MIB
    assert reserved_bytes(Rules(allocator="large_segment_size_mb:32")) == 32 * MIB


def test_a_card_without_bfloat16() -> None:
    with pytest.raises(ValueError, match="v100-32gb has no bfloat16 units: choose the precision from fp32, amp-fp16"):
        simulate(lambda device: lambda: None, Rules(card="v100-32gb"), "amp-bf16")


def test_they_say_what_they_are() -> None:
    assert (
        Rules(torch="1.12", ddp=True, card="v100-32gb").title == "PyTorch 1.12, DistributedDataParallel, on v100-32gb"
    )


def test_relu_keeps_its_input_up_to_1_9() -> None:
    """Its output is kept by the product after it anyway; its input by nothing else."""
    x, weight = torch.randn(10, 10, requires_grad=True), torch.randn(10, 10, requires_grad=True)

    def kept(version: str) -> int:
        with semantics(Rules(torch=version), "fp32", CPU):
            return saved_bytes(lambda: torch.relu(x * 1) @ weight)

    assert kept("1.9") - kept("1.10") == 400


def test_relu_has_the_same_gradient() -> None:
    x = torch.randn(4, 6, requires_grad=True, dtype=torch.float64)
    with semantics(Rules(torch="1.8"), "fp32", CPU):
        assert torch.autograd.gradcheck(torch.relu, x)


@pytest.mark.parametrize("mask", [None, "bool", "float"])
@pytest.mark.parametrize("heads", [4, 2], ids=["as many", "grouped"])
def test_explicit_attention_has_the_same_values(mask: str | None, heads: int) -> None:
    query, key = torch.randn(2, 4, 5, 8), torch.randn(2, heads, 7, 8)
    bias = {None: None, "bool": torch.rand(5, 7) > 0.3, "float": torch.randn(5, 7)}[mask]
    options = {"attn_mask": bias, "enable_gqa": heads != 4}
    expected = nn.functional.scaled_dot_product_attention(query, key, key, **options)
    with semantics(Rules(torch="1.13"), "fp32", CPU):
        assert torch.allclose(
            nn.functional.scaled_dot_product_attention(query, key, key, **options), expected, atol=1e-6
        )


def test_multihead_attention_wrote_its_weights_before_2() -> None:
    batch, heads, tokens, dim = 2, 4, 256, 64

    def build(device: torch.device):
        layer = nn.MultiheadAttention(dim, heads, batch_first=True, device=device)
        x = torch.empty(batch, tokens, dim, device=device)
        return lambda: layer(x, x, x, need_weights=False)[0].sum().backward()

    before, after = (simulate(build, Rules(torch=version)).peak_allocated_bytes for version in ("1.13", "2.0"))
    weights_bytes = batch * heads * tokens * tokens * 4
    assert weights_bytes <= before - after <= 4 * weights_bytes


def test_zero_grad_of_modules_wrote_zeros_before_2() -> None:
    layer = nn.Linear(3, 1, bias=False)
    for version, expected in (("1.13", torch.zeros(1, 3)), ("2.0", None)):
        layer.weight.grad = torch.ones(1, 3)
        with semantics(Rules(torch=version), "fp32", CPU):
            layer.zero_grad()
        assert layer.weight.grad is expected if expected is None else torch.equal(layer.weight.grad, expected)
    layer.weight.grad = torch.ones(1, 3)
    with semantics(Rules(torch="1.13"), "fp32", CPU):
        layer.zero_grad(set_to_none=True)
    assert layer.weight.grad is None
