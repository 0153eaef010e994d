"""Other forms of training loops, as users write them: each leaves the allocations of its real execution."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from drystep import simulate
from drystep.cuda.meta_operators import MetaOperators
from drystep.memory.kept import kept_for_backward_bytes
from drystep.simulator import trace_steps
from tests.drystep.cuda.api.classifier import (
    CPU,
    META,
    PARAMETER_BYTES,
    SAMPLES,
    WIDTH,
    batch,
    classifier,
    requests,
    same_as_on_the_cpu,
)


def _plain(device: torch.device):
    model = classifier().cuda()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images, labels = (part.cuda() for part in batch())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def test_gradient_accumulation() -> None:
    """Gradients of the first part are there while the second part runs."""

    def build(device: torch.device):
        model = classifier().cuda()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        images, labels = (part.cuda() for part in batch())

        def step() -> None:
            optimizer.zero_grad()
            for some, their in zip(images.chunk(4), labels.chunk(4), strict=True):
                loss = F.cross_entropy(model(some), their) / 4
                loss.backward()
            optimizer.step()

        return step

    same_as_on_the_cpu(build)
    simulation = simulate(build)
    assert simulation.at_peak["gradients"] == PARAMETER_BYTES
    assert simulation.saved_bytes() < simulate(_plain).saved_bytes()


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("preserve_rng_state", [True, False])
def test_activation_checkpointing(use_reentrant: bool, preserve_rng_state: bool) -> None:
    options = {"use_reentrant": use_reentrant, "preserve_rng_state": preserve_rng_state}

    def build(device: torch.device, checkpointed: bool = True):
        model = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.1)) for _ in range(4)
        ).cuda()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        images = batch()[0].cuda().requires_grad_()

        def step() -> None:
            optimizer.zero_grad()
            x = images
            for block in model:
                x = checkpoint(block, x, **options) if checkpointed else block(x)
            x.square().mean().backward()
            optimizer.step()

        return step

    same_as_on_the_cpu(build)
    with_all = trace_steps(lambda device: build(device, checkpointed=False), META)
    # Of each block but the last only the input is kept, and neither the sums, nor GELU's results, nor masks.
    spared = kept_for_backward_bytes(with_all) - simulate(build).saved_bytes()
    assert spared >= 3 * SAMPLES * WIDTH * (4 + 1)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpoint_sequential(use_reentrant: bool) -> None:
    def build(device: torch.device):
        model = classifier().cuda()
        images, labels = (part.cuda() for part in batch())
        images.requires_grad_()

        def step() -> None:
            logits = checkpoint_sequential(model, 2, images, use_reentrant=use_reentrant)
            F.cross_entropy(logits, labels).backward()

        return step

    same_as_on_the_cpu(build)


def test_functional_call_and_grad() -> None:
    """Gradients by `torch.func` have the size of the parameters."""

    def build(device: torch.device):
        model = classifier().cuda()
        images, labels = (part.cuda() for part in batch())
        weights = {name: weight.detach() for name, weight in model.named_parameters()}

        def loss(weights) -> torch.Tensor:
            return F.cross_entropy(torch.func.functional_call(model, weights, (images,)), labels)

        def step() -> None:
            gradients = torch.func.grad(loss)(weights)
            for name, gradient in gradients.items():
                weights[name] = weights[name] - 0.1 * gradient

        return step

    same_as_on_the_cpu(build)
    assert simulate(build).at_peak["parameters"] == PARAMETER_BYTES


def test_gradients_of_each_sample() -> None:
    """`vmap` over `grad`: as many gradients as samples, which differential privacy wants."""

    def build(device: torch.device):
        model = classifier().cuda()
        images, labels = (part.cuda() for part in batch())
        weights = {name: weight.detach() for name, weight in model.named_parameters()}

        def loss(weights, image, label) -> torch.Tensor:
            return F.cross_entropy(torch.func.functional_call(model, weights, (image[None],)), label[None])

        return lambda: torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, images, labels)

    assert same_as_on_the_cpu(build) > SAMPLES * WIDTH * WIDTH * 4 * 2


def test_gradient_penalty() -> None:
    """The graph of the gradient is differentiated again."""

    def build(device: torch.device):
        critic = classifier().cuda()
        optimizer = torch.optim.Adam(critic.parameters())
        images = batch()[0].cuda()

        def step() -> None:
            optimizer.zero_grad()
            between = images.clone().requires_grad_()
            scores = critic(between)
            (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
            penalty = (gradient.norm(2, dim=1) - 1).square().mean()
            (scores.mean() + 10 * penalty).backward()
            optimizer.step()

        return step

    same_as_on_the_cpu(build)


def test_optimizers_that_step_in_backward() -> None:
    """Each gradient is used and freed at once, so that they are never all there."""

    def build(device: torch.device):
        model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(8))).cuda()
        optimizers = {parameter: torch.optim.AdamW([parameter], foreach=False) for parameter in model.parameters()}

        def optimize(parameter: torch.Tensor) -> None:
            optimizers[parameter].step()
            optimizers[parameter].zero_grad()

        for parameter in model.parameters():
            parameter.register_post_accumulate_grad_hook(optimize)
        images = batch()[0].cuda()
        return lambda: model(images).sum().backward()

    def together(device: torch.device):
        model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(8))).cuda()
        optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
        images = batch()[0].cuda()

        def step() -> None:
            model(images).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    assert same_as_on_the_cpu(together) - same_as_on_the_cpu(build) >= 6 * WIDTH * WIDTH * 4
    assert simulate(build).at_peak["gradients"] <= WIDTH * WIDTH * 4


def test_anomaly_detection() -> None:
    """Every gradient is searched for NaN, whose answer is stated here: a mask of one byte per value."""

    def build(device: torch.device):
        model = classifier().cuda()
        images, labels = (part.cuda() for part in batch())

        def step() -> None:
            with torch.autograd.set_detect_anomaly(True):
                F.cross_entropy(model(images), labels).backward()

        return step

    operators = MetaOperators()
    meta = trace_steps(build, META, operators=operators)
    assert requests(meta) == requests(trace_steps(build, CPU))
    assert ("backward", "isnan.default", SAMPLES * WIDTH) in requests(meta)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_validation_and_a_schedule(mode) -> None:
    """A validation without graph is no more than what its layers hold at once."""

    def build(device: torch.device):
        model = classifier().cuda()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=100)
        images, labels = (part.cuda() for part in batch())

        def step() -> None:
            model.train()
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
            model.eval()
            with mode():
                (model(images).argmax(-1) == labels).float().mean()

        return step

    assert same_as_on_the_cpu(build) > 4 * PARAMETER_BYTES
    assert simulate(build).warnings == ()
