"""A part of PyTorch that few programs need may be missing: then only these programs fail, with the part's name."""

import re
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.parallel import DistributedDataParallel
from torchvision.ops import boxes

from drystep import SimulationError, simulate, torch_replacements
from drystep.cuda.semantics import semantics
from drystep.torch_private import MissingTorchPartError, find_part

WIDTH = 64


def _use_nothing(device: torch.device) -> None:
    """The rest of the step is all."""


def _use_flex_attention(device: torch.device) -> None:
    heads = torch.empty(1, 1, 16, 16, device=device)
    flex_attention(heads, heads, heads)


def _use_scaler(device: torch.device) -> None:
    torch.amp.GradScaler("cuda")


def _use_custom_forward(device: torch.device) -> None:
    torch.amp.custom_fwd(_use_nothing, device_type="cuda", cast_inputs=torch.float32)


def _use_default_device(device: torch.device) -> None:
    torch.set_default_device("cuda")


def _use_fused_optimizer(device: torch.device) -> None:
    weight = nn.Parameter(torch.ones(1, device=device))
    weight.grad = torch.ones_like(weight)
    torch.optim.AdamW([weight], fused=True).step()


def _use_compiler(device: torch.device) -> None:
    torch.compile(nn.Linear(1, 1, device=device))


def _use_group(device: torch.device) -> None:
    dist.init_process_group()


def _use_replica(device: torch.device) -> None:
    DistributedDataParallel(nn.Linear(1, 1, device=device))


USERS = {
    "torch.nn.attention.flex_attention.setup_compilation_env": _use_flex_attention,
    "torch.nn.attention.flex_attention._enforce_mem_layouts": _use_flex_attention,
    "torch.nn.attention.flex_attention._validate_device": _use_flex_attention,
    "torch._higher_order_ops.flex_attention.create_fw_bw_graph": _use_flex_attention,
    "torch.utils._python_dispatch._disable_current_modes": _use_flex_attention,
    "torch.amp.grad_scaler.GradScaler._maybe_opt_step": _use_scaler,
    "torch.amp.grad_scaler.GradScaler._get_growth_tracker": _use_scaler,
    "torch.amp.autocast_mode._cast": _use_custom_forward,
    "torch.utils._device.DeviceContext": _use_default_device,
    "torch._dynamo.eval_frame._callback_from_stance": _use_compiler,
    "torch.distributed.distributed_c10d._new_process_group_helper": _use_group,
    "torch.nn.parallel.distributed._to_kwargs": _use_replica,
    "torch.nn.parallel.distributed._verify_param_shape_across_processes": _use_replica,
}
"""Part -> what needs it, so that it fails where the part is missing."""
PYTORCH_NEEDS = ("torch.utils._device.DeviceContext", "torch._dynamo.eval_frame._callback_from_stance")
"""Parts that PyTorch itself could not do without, which are only looked for in vain."""
LEFT_TO_PYTORCH = (
    "torch.utils._foreach_utils._get_fused_kernels_supported_devices",
    "torch.optim.optimizer._get_capturable_supported_devices",
    "torch._ops._higher_order_ops",
)
"""Parts without which PyTorch itself refuses what needs them."""


def _remove(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if part in PYTORCH_NEEDS:
        sought = lambda path, purpose: find_part(f"{path}_of_old" if path == part else path, purpose)  # noqa: E731
        monkeypatch.setattr(torch_replacements, "find_part", sought)
    else:
        owner, _, name = part.rpartition(".")
        monkeypatch.delattr(find_part(owner, "to test"), name)


def _peak_bytes(use: Callable[[torch.device], None]) -> int:
    def build_step(device: torch.device) -> Callable[[], None]:
        model = nn.Linear(WIDTH, WIDTH, device=device)
        optimizer = torch.optim.SGD(model.parameters())
        use(device)

        def step() -> None:
            model(torch.empty(WIDTH, WIDTH, device=device)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    return simulate(build_step, gpus=["v100-32gb"]).peak_allocated_bytes


@pytest.fixture(scope="module")
def complete() -> int:
    """Peak with all parts there."""
    return _peak_bytes(_use_nothing)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("part", USERS)
def test_a_missing_part_costs_its_feature_alone(part: str, complete: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _peak_bytes(USERS[part])
    _remove(part, monkeypatch)
    assert _peak_bytes(_use_nothing) == complete
    with pytest.raises(SimulationError, match=rf"MissingTorchPartError: PyTorch .* has no {re.escape(part)}"):
        _peak_bytes(USERS[part])


@pytest.mark.parametrize("part", LEFT_TO_PYTORCH)
def test_a_step_that_needs_no_such_part_runs(part: str, complete: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _remove(part, monkeypatch)
    assert _peak_bytes(_use_nothing) == complete


def test_pytorch_refuses_to_fuse_where_it_cannot_be_told_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    _peak_bytes(_use_fused_optimizer)
    _remove("torch.utils._foreach_utils._get_fused_kernels_supported_devices", monkeypatch)
    with pytest.raises(SimulationError, match="fused=True"):
        _peak_bytes(_use_fused_optimizer)


@pytest.mark.parametrize("part", ["_batched_nms_vanilla", "_batched_nms_coordinate_trick"])
def test_parts_of_torchvision_that_only_the_cpu_needs(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    corners, scores = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1)
    _remove(f"torchvision.ops.boxes.{part}", monkeypatch)
    missing = pytest.raises(MissingTorchPartError, match=rf"^torchvision .* has no torchvision\.ops\.boxes\.{part}, ")
    with semantics("torch-2.11", "fp32", torch.device("cpu")), missing:
        boxes.batched_nms(corners, scores, scores, 0.5)
