"""BitFit's layer norms: the same outputs and gradients, without the call that fails on a GPU."""

import torch
from torch import nn

from baselines.bitfit import BITFIT, BiasOnlyNorm
from drystep import simulate


def test_norms_compute_what_they_did_and_their_weights_stay_frozen(tiny_swin) -> None:
    plain = nn.LayerNorm(8)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    norm = BiasOnlyNorm(8)
    norm.load_state_dict(plain.state_dict())
    norm.weight.requires_grad_(False)
    images = torch.randn(3, 8)
    ours, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    norm(ours).square().sum().backward()
    plain(theirs).square().sum().backward()
    assert torch.equal(norm(images), plain(images))
    assert torch.equal(ours.grad, theirs.grad)
    assert torch.equal(norm.bias.grad, plain.bias.grad)
    assert norm.weight.grad is None
    tuned = BITFIT.apply(tiny_swin())
    norms = {name: module for name, module in tuned.named_modules() if isinstance(module, nn.LayerNorm)}
    assert norms
    assert all(type(module) is BiasOnlyNorm for module in norms.values())
    names = [name for name, parameter in tuned.named_parameters() if parameter.requires_grad]
    assert {f"{name}.bias" for name in norms} <= set(names)
    assert not {f"{name}.weight" for name in norms} & set(names)


def test_a_norm_of_many_rows_is_not_the_one_that_fails() -> None:
    """70,000 rows of 192 failed on an NVIDIA H200 with the bias alone."""

    def build(norm_class: type[nn.LayerNorm]):
        def build_step(device: torch.device):
            norm = norm_class(192, device=device)
            norm.weight.requires_grad_(False)
            images = torch.empty(70_000, 192, device=device, requires_grad=True)
            return lambda: norm(images).sum().backward()

        return build_step

    assert any("invalid gradient" in warning for warning in simulate(build(nn.LayerNorm)).warnings)
    repaired = simulate(build(BiasOnlyNorm))
    assert not any("invalid gradient" in warning for warning in repaired.warnings)
    # The gradient of a row, which is dropped with the graph, takes one block of 1 KiB at most.
    assert repaired.peak_allocated_bytes - simulate(build(nn.LayerNorm)).peak_allocated_bytes <= 1024
