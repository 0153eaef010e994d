import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.nn.functional import gelu
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from bench.cases.case import Case
from bench.engines import simulate
from drystep.cuda.autocast.casts import MIXED_PRECISIONS
from drystep.cuda.semantics import semantics
from drystep.trace.recorder import record
from e3va.backbones.swin import build_swin

META = torch.device("meta")


class Casts(TorchDispatchMode):
    """Counts conversions to half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.to_half = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and result.dtype in (torch.float16, torch.bfloat16):
            self.to_half += 1
        return result


def module_dtypes(model: nn.Module, *inputs: torch.Tensor) -> dict[str, tuple[torch.dtype, ...]]:
    """Output types of every module in one forward pass."""
    seen: dict[str, tuple[torch.dtype, ...]] = {}

    def note(name: str):
        def hook(module: nn.Module, args: object, output: object) -> None:
            if output is not None:
                seen[name] = tuple(tensor.dtype for tensor in (output if isinstance(output, list) else [output]))

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in model.named_modules()]
    model(*inputs)
    for handle in handles:
        handle.remove()
    return seen


class Zoo(nn.Module):
    """One of each operator whose precision autocast decides."""

    def __init__(self) -> None:
        super().__init__()
        names = (
            "softmax log_softmax gelu relu sigmoid exp log pow sum mean cumsum norm cat add matmul bmm einsum baddbmm "
            "interpolate pool cross_entropy bce l1 smooth_l1 mse softplus addcmul attention dropout prod tanh"
        )
        self.checks = nn.ModuleDict({name: nn.Identity() for name in names.split()})
        self.conv, self.up = nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 4, 2)
        self.norm, self.batch_norm, self.group_norm = nn.LayerNorm(6), nn.BatchNorm2d(8), nn.GroupNorm(2, 8)
        self.linear = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> None:  # (2, 3, 8, 8)
        maps = self.conv(x)  # (2, 8, 6, 6)
        self.up(maps)
        self.batch_norm(maps)
        self.group_norm(maps)
        rows = self.linear(maps)
        self.norm(rows)
        flat = rows.flatten(0, 1)  # (16, 6, 6)
        wide = flat.float()
        labels = torch.zeros(16, 6, dtype=torch.long, device=x.device)
        results = {
            "softmax": flat.softmax(-1), "log_softmax": F.log_softmax(flat, -1), "gelu": F.gelu(flat),
            "relu": flat.relu(), "sigmoid": flat.sigmoid(), "exp": flat.exp(), "log": flat.log(), "pow": flat.pow(2),
            "sum": flat.sum(), "mean": flat.mean(), "cumsum": flat.cumsum(0), "norm": torch.linalg.vector_norm(flat),
            "cat": torch.cat([flat, wide]), "add": flat + wide, "matmul": wide @ wide.mT, "bmm": torch.bmm(wide, wide),
            "einsum": torch.einsum("bij,bjk->bik", wide, wide), "baddbmm": torch.baddbmm(wide, wide, wide),
            "interpolate": F.interpolate(maps, scale_factor=2, mode="bilinear"), "pool": F.avg_pool2d(maps, 2),
            "cross_entropy": F.cross_entropy(flat, labels), "l1": F.l1_loss(flat, flat),
            "bce": F.binary_cross_entropy_with_logits(flat, flat), "smooth_l1": F.smooth_l1_loss(flat, flat),
            "mse": F.mse_loss(flat, flat), "softplus": F.softplus(flat), "prod": flat.prod(0), "tanh": flat.tanh(),
            "addcmul": torch.addcmul(wide, flat, flat), "dropout": F.dropout(flat, 0.5),
            "attention": F.scaled_dot_product_attention(rows, rows, rows),
        }  # fmt: skip
        for name, result in results.items():
            self.checks[name](result)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("make", ["zoo", "swin"])
def test_types_are_those_of_cuda_autocast(make: str, dtype: torch.dtype) -> None:
    def build(device: torch.device) -> tuple[nn.Module, torch.Tensor]:
        return model.to_empty(device=device), torch.empty(2, 3, 64, 96, device=device)[..., :size, :size]

    with META:
        model, size = (Zoo(), 8) if make == "zoo" else (build_swin("swin_tiny", device="meta"), 64)

    name = "amp-fp16" if dtype == torch.float16 else "amp-bf16"
    with semantics("torch-2.11", name, META):
        ours = module_dtypes(*build(META))
    with FakeTensorMode(allow_non_fake_inputs=True):
        torch.set_autocast_enabled("cuda", True)
        torch.set_autocast_dtype("cuda", dtype)
        try:
            cudas = module_dtypes(*build(torch.device("cuda:0")))
        finally:
            torch.set_autocast_enabled("cuda", False)
            torch.set_autocast_dtype("cuda", torch.float16)
    assert ours == cudas
    assert {(dtype,), (torch.float32,)} <= set(ours.values())


@pytest.mark.parametrize("trained", [True, False])
def test_weights_are_cached_as_by_pytorch(trained: bool) -> None:
    linear = nn.Linear(4, 4).requires_grad_(trained)
    x = torch.randn(2, 4)

    def count(context) -> int:
        with context, Casts() as casts:
            linear(linear(linear(x).relu()))
        return casts.to_half

    ours = count(semantics("torch-2.11", "amp-bf16", torch.device("cpu")))
    assert ours == count(torch.autocast("cpu", torch.bfloat16)) == (3 if trained else 7)


def test_apex_caches_frozen_weights_too_and_until_after_backward() -> None:
    linear = nn.Linear(4, 4, device="meta").requires_grad_(False)
    x = torch.empty(2, 4, device="meta", requires_grad=True)
    with semantics("torch-2.11", "apex-o1", META), Casts() as casts:
        linear(linear(x).relu()).sum().backward()
        assert casts.to_half == 3 + 1  # weight, bias and input; one gradient on its way back
        linear(x)
        assert casts.to_half == 4 + 3


def test_apex_computes_gelu_and_softmax_in_float() -> None:
    with semantics("torch-2.11", "apex-o1", META):
        hidden = nn.Linear(4, 4, device="meta")(torch.empty(2, 4, device="meta"))
        assert hidden.dtype == torch.float16
        assert nn.GELU()(hidden).dtype == F.gelu(hidden).dtype == torch.float32
        assert gelu(hidden).dtype == torch.float16  # whoever holds the function keeps it
        assert hidden.softmax(-1).dtype == nn.LayerNorm(4, device="meta")(hidden).dtype == torch.float32
    assert F.gelu is gelu


def test_softmax_widens_as_it_reads() -> None:
    def build(device: torch.device):
        x = torch.empty(100, 10, dtype=torch.float16, device=device, requires_grad=True)
        return lambda: x.softmax(-1).mean().backward()

    with semantics("torch-2.11", "amp-fp16", META):
        trace = record(build, META, 1)
    names = [operator.name for operator in trace.operators]
    assert names.count("_softmax.default") == 1
    assert "_to_copy.default" not in names[: names.index("_softmax.default")]


def test_gradients_have_the_type_of_their_parameters_and_optimizers_cast_nothing() -> None:
    linear = nn.Linear(4, 4, device="meta")
    optimizer = torch.optim.SGD(linear.parameters(), 0.1)
    optimizer.register_step_pre_hook(lambda *_: seen.append((linear.weight @ linear.weight).dtype))
    seen: list[torch.dtype] = []
    with semantics("torch-2.11", "amp-fp16", META):
        linear(torch.empty(2, 4, device="meta")).sum().backward()
        optimizer.step()
        optimizer.step()
    assert linear.weight.grad.dtype == torch.float32
    assert seen[1:] == [torch.float32]


@pytest.mark.parametrize("precision", ["amp-fp16", "amp-bf16", "apex-o1"])
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("keeps_graph", [True, False], ids=["graph", "no graph"])
def test_recomputed_blocks_cast_as_they_did(precision: str, reentrant: bool, keeps_graph: bool) -> None:
    """Also where the block disables gradients, as a frozen trunk does."""
    linear = nn.Linear(4, 4, device="meta")
    seen: list[torch.dtype] = []

    def block(x: torch.Tensor) -> torch.Tensor:
        with torch.set_grad_enabled(keeps_graph):
            y = linear(x)
        seen.append(y.dtype)
        return x * y

    with semantics("torch-2.11", precision, META):
        x = torch.empty(2, 4, device="meta", requires_grad=True)
        checkpoint(block, x, use_reentrant=reentrant).sum().backward()
    half = MIXED_PRECISIONS[precision].dtype
    assert seen == [half, half]
    assert x.grad.dtype == torch.float32


@pytest.mark.nightly
@pytest.mark.parametrize("task", ["voc", "ade20k", "coco"])
def test_half_precision_needs_less_memory_for_every_task(task: str) -> None:
    def peak_bytes(precision: str) -> int:
        case = Case(task=task, method="full", backbone="swin_tiny", precision=precision, engine="simulate")
        return simulate.measure(case, []).memory["peak_allocated_bytes"]

    loss_scale_bytes = peak_bytes("amp-fp16") - peak_bytes("amp-bf16")
    assert 0 <= loss_scale_bytes < 2**13
    assert peak_bytes("amp-fp16") < peak_bytes("apex-o1") < peak_bytes("fp32")


@pytest.mark.parametrize(("precision", "dies_in"), [("amp-fp16", "forward"), ("apex-o1", "backward")])
def test_half_copies_of_weights_live_as_long_as_the_cache(precision: str, dies_in: str) -> None:
    """Nothing but the cache keeps those of a first layer: its input wants no gradient, so no graph saves its weight.

    `torch.autocast` drops them before backward, Apex after it.
    """

    def build(device: torch.device):
        linear, x = nn.Linear(8, 24, device=device), torch.empty(2, 8, device=device)
        return lambda: linear(x).float().sum().backward()

    with semantics("torch-2.11", precision, META):
        trace = record(build, META, 1)
    copies = {
        index
        for index, allocation in enumerate(trace.allocations)
        if allocation.dtype == torch.float16 and allocation.shape in ((24, 8), (24,))
        and trace.operators[allocation.operator].phase == "forward"
    }  # fmt: skip
    assert sorted(trace.allocations[index].requested_bytes for index in copies) == [2 * 24, 2 * 24 * 8]
    deaths = [trace.operators[operator].phase for index, born, operator in trace.events if index in copies and not born]
    assert deaths == [dies_in] * 2
    if dies_in == "backward":
        last = max(operator for index, born, operator in trace.events if index in copies and not born)
        assert last == len(trace.operators) - 1  # not before all of it is done
