import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from bench.detectors import focal_loss
from bench.detectors.assignment.matching import BACKGROUND, IGNORED
from bench.detectors.focal_loss import sigmoid_focal_loss_sum
from drystep import simulate

CLASSES = 5


def _draw(*shape: int, spread: float = 4.0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Random logits, and every kind of label in turn."""
    logits = (spread * torch.randn(*shape, CLASSES)).to(dtype).requires_grad_()
    anchors = torch.arange(math.prod(shape)).reshape(shape)
    return logits, anchors % (CLASSES - IGNORED) + IGNORED


def _by_torchvision(logits: Tensor, labels: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    one_hot = (labels[..., None] == torch.arange(CLASSES)).to(logits.dtype)
    loss = sigmoid_focal_loss(logits, one_hot, alpha=alpha, gamma=gamma)
    return (loss * (labels != IGNORED)[..., None]).sum()


@pytest.mark.parametrize("anchors_at_once", [1, 4, 1000])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.6, 1.5), (1.0, 0.0)])
def test_equals_torchvision(monkeypatch, anchors_at_once: int, alpha: float, gamma: float) -> None:
    monkeypatch.setattr(focal_loss, "VALUES_AT_ONCE", anchors_at_once * CLASSES)
    logits, labels = _draw(2, 9)
    loss, expected = sigmoid_focal_loss_sum(logits, labels, alpha, gamma), _by_torchvision(logits, labels, alpha, gamma)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    upstream = torch.tensor(0.3, dtype=torch.float64)
    (gradient,), (expected_gradient,) = (
        torch.autograd.grad(value, logits, upstream) for value in (loss, expected)
    )  # fmt: skip
    torch.testing.assert_close(gradient, expected_gradient)


def test_its_gradient_is_that_of_its_values(monkeypatch) -> None:
    monkeypatch.setattr(focal_loss, "VALUES_AT_ONCE", 4 * CLASSES)
    logits, labels = _draw(2, 5, spread=2.0)
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal_loss_sum(x, labels), (logits,))


@pytest.mark.parametrize("label", [BACKGROUND, IGNORED])
def test_anchors_without_a_class(label: int) -> None:
    logits, _ = _draw(2, 7)
    labels = torch.full((2, 7), label)
    loss = sigmoid_focal_loss_sum(logits, labels)
    torch.testing.assert_close(loss, _by_torchvision(logits, labels))
    loss.backward()
    assert bool(loss.any()) == bool(logits.grad.any()) == (label == BACKGROUND)


def test_no_anchors() -> None:
    logits, labels = _draw(2, 0)
    loss = sigmoid_focal_loss_sum(logits, labels)
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (2, 0, CLASSES)


def test_logits_that_are_not_contiguous() -> None:
    logits, labels = _draw(6, CLASSES)
    moved = logits.detach().transpose(1, 2).requires_grad_()  # (6, 5, 5) still, since there are as many anchors
    loss, expected = sigmoid_focal_loss_sum(moved, labels), _by_torchvision(moved, labels)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, moved), torch.autograd.grad(expected, moved))


@pytest.mark.parametrize("size", [200.0, 1e30])
def test_extreme_logits(size: float) -> None:
    """A certain and wrong answer costs its logit times its weight, a certain and right one costs nothing."""
    logits = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    loss = sigmoid_focal_loss_sum(logits, torch.tensor([0, 0]))
    loss.backward()
    torch.testing.assert_close(loss, torch.tensor(size))  # 0.25 of the class that was missed, 0.75 of the other one
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0], [-0.25, 0.75]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    logits, labels = _draw(3, 40, dtype=dtype)
    same = logits.detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = sigmoid_focal_loss_sum(logits, labels)
        loss.backward()
    expected = _by_torchvision(same, labels)
    expected.backward()
    assert (loss.dtype, logits.grad.dtype) == (torch.float32, dtype)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logits.grad, same.grad.to(dtype))


def test_autocast_does_not_lower_it() -> None:
    logits, labels = _draw(3, 40, dtype=torch.float32)
    expected = sigmoid_focal_loss_sum(logits, labels)
    with torch.autocast("cpu", torch.bfloat16):
        assert sigmoid_focal_loss_sum(logits, labels).equal(expected)


def test_only_logits_and_labels_are_kept() -> None:
    kept: list[Tensor] = []
    logits, labels = _draw(2, 9)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        sigmoid_focal_loss_sum(logits, labels)
    assert [tensor.data_ptr() for tensor in kept] == [logits.data_ptr(), labels.data_ptr()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_temporaries_do_not_grow_with_the_anchors(monkeypatch, dtype: torch.dtype) -> None:
    """Another anchor takes its logits, their gradient and its label alone. Sizes are whole MiB, so none is rounded."""
    at_once, classes = 1 << 15, 64
    monkeypatch.setattr(focal_loss, "VALUES_AT_ONCE", at_once * classes)

    def peak_bytes(anchors: int) -> int:
        def build_step(device: torch.device):
            logits = torch.nn.Parameter(torch.zeros(anchors, classes, device=device, dtype=dtype))
            labels = torch.zeros(anchors, dtype=torch.int64, device=device)

            def step() -> None:
                logits.grad = None
                sigmoid_focal_loss_sum(logits, labels).backward()

            return step

        return simulate(build_step).peak_allocated_bytes

    more = 4 * at_once
    of_one = 2 * classes * dtype.itemsize + 8
    temporaries = peak_bytes(more) - more * of_one
    assert 3 < temporaries / (at_once * classes * 4) < 3.2  # y, q and the slopes in single precision, and columns
    assert peak_bytes(2 * more) - peak_bytes(more) == more * of_one
