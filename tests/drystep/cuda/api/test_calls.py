"""Functions of PyTorch reach their handlers, in backward and in nested code of the program too."""

import torch
from torch import Tensor, tensor

from drystep.cuda.api.calls import Calls


class _Log:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, func, args, kwargs):
        self.seen.append(func.__name__)
        return func(*args, **kwargs)


def test_a_function_is_replaced_however_it_was_imported() -> None:
    log = _Log()
    with Calls({torch.tensor: log, Tensor.tolist: log}).watching():
        assert tensor([1, 2]).tolist() == torch.tensor([1, 2]).tolist()
    assert log.seen == ["tensor", "tolist"] * 2
    tensor([1])
    assert len(log.seen) == 4


def test_hooks_autograd_functions_and_recomputed_blocks_are_seen_in_backward() -> None:
    log = _Log()

    def block(x: Tensor) -> Tensor:
        return x * torch.tensor(2.0)

    leaf = torch.ones((), requires_grad=True)
    with Calls({torch.tensor: log}).watching():
        for backward in (lambda y: y.backward(), torch.autograd.backward, lambda y: torch.autograd.grad(y, leaf)):
            log.seen.clear()
            y = torch.utils.checkpoint.checkpoint(block, leaf, use_reentrant=False)
            y.register_hook(lambda gradient: gradient * torch.tensor(1.0))
            backward(y)
            assert log.seen == ["tensor"] * 3
        log.seen.clear()
        torch.tensor(1.0)
        assert log.seen == ["tensor"]


def test_a_handler_calls_the_function_itself() -> None:
    def on_the_cpu(func, args, kwargs):
        return func(*args, **{**kwargs, "device": "cpu"})

    with Calls({torch.tensor: on_the_cpu}).watching():
        assert torch.tensor([1.0, 2.0], device="meta").tolist() == [1.0, 2.0]
