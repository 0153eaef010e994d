"""The forms of the highway are one function: same state, same values, same gradients."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from e3va import E3VA, FORMS, Design
from e3va import fused as fused_module
from e3va.adapter import DualLowRankAdapter
from e3va.fused import fused_sum

OTHERS = [form for form in FORMS if form != "reference"]
DIM, RANK = 12, 2


def _adapters(count: int, residual: bool = True, dtype: torch.dtype = torch.float64) -> list[DualLowRankAdapter]:
    return [_filled(DualLowRankAdapter(DIM, RANK, residual)).to(dtype) for _ in range(count)]


def _filled(module):
    """Nothing at zero, where a wrong gradient would hide."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def _run(tuned: E3VA, images: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Outputs and gradients of a pass with the same DropPath."""
    torch.manual_seed(1)
    outputs = tuned(images)
    torch.stack([(output * torch.randn_like(output)).sum() for output in outputs]).sum().backward()
    gradients = {name: p.grad for name, p in tuned.named_parameters() if p.grad is not None}
    return [output.detach() for output in outputs], gradients


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
@pytest.mark.parametrize(
    ("rank", "design"),
    [(1, Design()), (8, Design()), (16, Design(inner_residual=False)), (2, Design(start="zeros", output="highway"))],
)
@pytest.mark.parametrize("shape", [(1, 3, 36, 100), (2, 3, 64, 64)])
def test_values_and_gradients_are_those_of_plain_modules(
    tiny_swin, monkeypatch, form, dtype, tolerance, rank, design, shape
) -> None:
    """Odd maps, a single image, DropPath on, several chunks with a rest."""
    monkeypatch.setattr(fused_module, "CHUNK_ELEMENTS", 10_000)
    plain = _filled(E3VA(tiny_swin(drop_path=0.3), rank, form="reference", design=design).highway)
    reference = E3VA(tiny_swin(drop_path=0.3), rank, form="reference", design=design)
    reference.highway.load_state_dict(plain.state_dict())
    other = E3VA(tiny_swin(drop_path=0.3), rank, form=form, design=design)
    other.load_state_dict(reference.state_dict())
    images = torch.randn(shape, dtype=dtype)
    expected, expected_gradients = _run(reference.to(dtype).train(), images)
    outputs, gradients = _run(other.to(dtype).train(), images)
    for ours, theirs in zip(outputs, expected, strict=True):
        assert (ours - theirs).norm() <= tolerance * theirs.norm()
    assert gradients.keys() == expected_gradients.keys()
    for name, theirs in expected_gradients.items():
        assert (gradients[name] - theirs).norm() <= 10 * tolerance * theirs.norm(), name


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("chunk_elements", [1 << 22, 200], ids=["one chunk", "many"])
@pytest.mark.parametrize("needs_highway", [True, False])
def test_gradients_are_the_functions_derivative(monkeypatch, residual, chunk_elements, needs_highway) -> None:
    monkeypatch.setattr(fused_module, "CHUNK_ELEMENTS", chunk_elements)
    adapters = _adapters(2, residual)
    parameters = [p for adapter in adapters for p in adapter.parameters()]
    taps = [torch.randn(1, 3, 5, DIM, dtype=torch.float64) for _ in adapters]
    highway = torch.randn(1, 3, 5, DIM, dtype=torch.float64, requires_grad=needs_highway)
    assert gradcheck(lambda highway, *_: fused_sum(highway, taps, adapters), (highway, *parameters))


def test_backward_of_the_fused_sum_keeps_the_taps_alone() -> None:
    """What it saves beside the parameters: x_j itself, whatever the rank."""
    adapters = _adapters(4)
    taps = [torch.randn(2, 5, 7, DIM, dtype=torch.float64) for _ in adapters]
    saved: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        fused_sum(torch.randn(2, 5, 7, DIM, dtype=torch.float64), taps, adapters)
    parameters = {p.data_ptr() for adapter in adapters for p in adapter.parameters()}
    assert {t.data_ptr() for t in saved} - parameters == {tap.data_ptr() for tap in taps}


def test_gradients_of_two_adapters_share_no_memory() -> None:
    """The bias gradient is the same for all adapters; in-place scaling of one must not touch another's."""
    adapters = _adapters(3)
    taps = [torch.randn(1, 2, 3, DIM, dtype=torch.float64) for _ in adapters]
    fused_sum(torch.randn(1, 2, 3, DIM, dtype=torch.float64), taps, adapters).sum().backward()
    gradients = [p.grad for adapter in adapters for p in adapter.parameters()]
    before = [gradient.clone() for gradient in gradients]
    for gradient in gradients:
        gradient.mul_(2)
    for gradient, old in zip(gradients, before, strict=True):
        torch.testing.assert_close(gradient, 2 * old, rtol=0, atol=0)


@pytest.mark.parametrize("form", OTHERS)
def test_under_autocast_it_rounds_no_worse_than_plain_modules(tiny_swin, form: str) -> None:
    images = torch.randn(2, 3, 64, 64)

    def run(which: str, autocast: bool) -> tuple[list[Tensor], Tensor]:
        tuned = E3VA(tiny_swin(drop_path=0.2), 4, form=which)
        torch.manual_seed(2)
        _filled(tuned.highway)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs, gradients = _run(tuned, images)
        assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}
        return outputs, torch.cat([gradients[name].flatten() for name in sorted(gradients)])

    (exact, exact_gradient), (plain, plain_gradient), (ours, gradient) = (
        run("reference", False), run("reference", True), run(form, True),
    )  # fmt: skip
    assert [output.dtype for output in ours] == [output.dtype for output in plain]
    assert (gradient - exact_gradient).norm() <= 1.2 * (plain_gradient - exact_gradient).norm()
    for index, output in enumerate(ours):
        assert (output - exact[index]).norm() <= 1.2 * (plain[index] - exact[index]).norm()


@pytest.mark.parametrize("form", OTHERS)
def test_evaluation_needs_no_graph(tiny_swin, form: str) -> None:
    images = torch.randn(1, 3, 64, 64)
    reference, other = (E3VA(tiny_swin(), 4, form=which).eval() for which in ("reference", form))
    _filled(reference.highway)
    other.load_state_dict(reference.state_dict())
    with torch.inference_mode():
        for ours, theirs in zip(other(images), reference(images), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_recomputation_draws_the_same_droppath(tiny_swin) -> None:
    """And leaves the generator where it was: what comes after draws as it would have."""
    tuned = E3VA(tiny_swin(drop_path=0.9), 2, form="recompute").train()
    outputs = tuned(torch.randn(4, 3, 64, 64))
    state = torch.get_rng_state()
    torch.stack([output.sum() for output in outputs]).sum().backward()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("form", FORMS)
def test_copies_train_apart(tiny_swin, form: str) -> None:
    """Copying, as averaging of weights does, gives a model of its own."""
    tuned = E3VA(tiny_swin(), 2, form=form)
    twin = copy.deepcopy(tuned)
    _filled(twin.highway)
    assert not torch.equal(twin.highway[0].adapters[0].up_t, tuned.highway[0].adapters[0].up_t)


@pytest.mark.parametrize("rank", [0, 17])
def test_a_rank_beyond_the_width_is_refused(tiny_swin, rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank must be between 1 and 16 for 16 channels, got {rank}"):
        E3VA(tiny_swin(), rank)


def test_wrong_arguments_are_refused(tiny_swin) -> None:
    with pytest.raises(ValueError, match="unknown form 'fast': choose from reference, fused, recompute"):
        E3VA(tiny_swin(), form="fast")
    with pytest.raises(ValueError, match="Linear has no Swin stages: expected a backbone of build_swin"):
        E3VA(nn.Linear(2, 2))
    for taken in (E3VA(tiny_swin()), E3VA(tiny_swin()).backbone):
        with pytest.raises(ValueError, match="takes one: build a new backbone"):
            E3VA(taken)


@pytest.mark.parametrize("form", OTHERS)
def test_a_trunk_in_half_precision_stays_near_and_trains_in_float32(tiny_swin, form: str) -> None:
    images = torch.randn(2, 3, 64, 64)
    exact, lowered = (_filled(E3VA(tiny_swin(), 4, form=form)) for _ in range(2))
    lowered.load_state_dict(exact.state_dict())
    (expected, expected_gradients), (ours, gradients) = _run(exact, images), _run(lowered.lower_trunk(), images)
    for output, theirs in zip(ours, expected, strict=True):
        assert output.dtype == torch.float32
        assert 0 < (output - theirs).norm() <= 0.1 * theirs.norm()
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}
    assert gradients.keys() == expected_gradients.keys()
    block = lowered.backbone.blocks()[0]
    assert {p.dtype for p in block.parameters()} == {torch.bfloat16}


def test_plain_adapters_refuse_a_trunk_in_half_precision(tiny_swin) -> None:
    with pytest.raises(ValueError, match="take form fused or recompute"):
        E3VA(tiny_swin(), form="reference").lower_trunk()


@pytest.mark.nightly
def test_every_branch_of_a_trunk_runs_compiled(tiny_swin) -> None:
    """PyTorch compiles eight variants of a function, and says no word of the blocks that come after."""
    ran = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        return lambda *values: ran.append(graph) or graph(*values)

    model = E3VA(tiny_swin(), 4).compile_trunk(backend=backend)
    model(torch.randn(1, 3, 256, 256))
    assert len(ran) == 2 * len(model.backbone.blocks())
    assert len(set(ran)) > 8


@pytest.mark.nightly
def test_a_compiled_trunk_changes_neither_values_nor_state(tiny_swin) -> None:
    """Tracing alone: that kernels are fast is the compiler's matter."""
    images = torch.randn(1, 3, 64, 64)
    plain, compiled = (E3VA(tiny_swin(), 4) for _ in range(2))
    compiled.compile_trunk(backend="eager")
    assert compiled.load_state_dict(plain.state_dict()) == ([], [])
    (expected, expected_gradients), (ours, gradients) = _run(plain, images), _run(compiled, images)
    for output, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(output, theirs)
    for name, theirs in expected_gradients.items():
        torch.testing.assert_close(gradients[name], theirs)
