import pytest
import torch
import torch.nn.functional as F

from drystep.cuda.dispatch import interposed

aten = torch.ops.aten


def test_a_rule_takes_the_place_of_its_operator_also_inside_others() -> None:
    seen = []

    def log_softmax(*args):
        seen.append(args[0].shape)
        return aten.log_softmax.int(*args)

    x = torch.randn(3, 4)
    with interposed({aten.log_softmax.int: log_softmax}):
        F.cross_entropy(x, torch.zeros(3, dtype=torch.long))
    F.log_softmax(x, -1)
    assert seen == [(3, 4)]


def test_what_a_rule_calls_is_not_replaced_again() -> None:
    with interposed({aten.relu.default: lambda x: aten.relu.default(x) + 1}):
        assert torch.relu(torch.zeros(1)).item() == 1


def test_inner_rules_hold_until_their_end() -> None:
    x = torch.zeros(1)
    with interposed({aten.relu.default: lambda x: x + 1}):
        with interposed({aten.relu.default: lambda x: x + 2, aten.tanh.default: lambda x: x + 3}):
            assert (torch.relu(x).item(), torch.tanh(x).item()) == (2, 3)
        assert (torch.relu(x).item(), torch.tanh(x).item()) == (1, 0)
    assert torch.relu(x).item() == 0


def test_an_operator_that_had_a_rule_once_hides_nothing() -> None:
    with interposed({aten.cross_entropy_loss.default: aten.cross_entropy_loss.default}):
        pass
    x, labels = torch.randn(3, 4, requires_grad=True), torch.zeros(3, dtype=torch.long)
    expected = F.cross_entropy(x, labels)
    with interposed({aten.log_softmax.int: lambda *args: 2 * aten.log_softmax.int(*args)}):
        doubled = F.cross_entropy(x, labels)
    torch.testing.assert_close(doubled, 2 * expected)
    assert doubled.requires_grad


def test_autograd_sees_what_took_the_place() -> None:
    x = torch.ones(2, requires_grad=True)
    with interposed({aten.relu.default: lambda x: 3 * x}):
        torch.relu(x).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_rules_end_where_an_error_leaves() -> None:
    with pytest.raises(ZeroDivisionError), interposed({aten.relu.default: lambda x: 1 / 0}):
        torch.relu(torch.zeros(1))
    assert torch.relu(torch.zeros(1)).item() == 0
