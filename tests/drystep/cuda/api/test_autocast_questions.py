"""What users' own layers ask of autocast."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drystep import simulate
from tests.drystep.cuda.api.classifier import batch, classifier, same_as_on_the_cpu


class _Affine(nn.Module):
    """It computes in the type of the region that it is in, as the fast norms of timm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
        with torch.autocast(x.device.type, enabled=False):
            return x * weight + bias


class _Exponential(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    def forward(ctx, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        assert not torch.is_autocast_enabled()
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0]


def _build(forward, region):
    def build(device: torch.device):
        model = classifier().to(device)
        affine = _Affine(16).to(device)
        images, labels = (part.to(device) for part in batch())

        def step() -> None:
            with region():
                loss = F.cross_entropy(forward(affine, model(images)), labels)
            loss.backward()

        return step

    return build


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_layer_that_asks(dtype: torch.dtype) -> None:
    seen = []

    def forward(affine: _Affine, x: Tensor) -> Tensor:
        assert torch.is_autocast_enabled()
        assert torch.get_autocast_gpu_dtype() == torch.get_autocast_dtype("cuda") == dtype
        result = affine(x)
        seen.append(result.dtype)
        return result

    same_as_on_the_cpu(_build(forward, lambda: torch.autocast("cuda", dtype=dtype)))
    assert set(seen) == {dtype}


def test_a_function_that_wants_single_precision() -> None:
    build = _build(lambda affine, x: _Exponential.apply(x), lambda: torch.autocast("cuda", dtype=torch.float16))
    same_as_on_the_cpu(build)
    assert simulate(build).warnings == ()


@pytest.mark.filterwarnings("ignore:.*torch.cuda.amp:FutureWarning")
def test_the_older_names() -> None:
    older = simulate(_build(lambda affine, x: affine(x), lambda: torch.cuda.amp.autocast()))
    newer = simulate(_build(lambda affine, x: affine(x), lambda: torch.autocast("cuda")))
    assert older.peak_allocated_bytes == newer.peak_allocated_bytes
    assert not torch.is_autocast_enabled()
