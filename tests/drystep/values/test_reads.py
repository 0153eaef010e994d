"""Questions about values: what is known comes first, then what is stated, and what is left is assumed and listed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import nms

from drystep import Oracles, Simulation, SimulationError, simulate
from drystep.values.oracles import Share


def _simulated(body: Callable[[nn.Module, Tensor], object], **options: object) -> Simulation:
    def build(device: torch.device):
        model, data = nn.Linear(4, 4).to(device), torch.empty(6, 4, device=device)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step() -> None:
            optimizer.zero_grad()
            model(data).sum().backward()
            body(model, data)
            optimizer.step()

        return step

    return simulate(build, **options)


def _sizes(simulation: Simulation) -> set[int]:
    return {allocation.requested_bytes for allocation in simulation.trace.allocations}


def _half(m: nn.Module, x: Tensor) -> Tensor:
    return x[m(x)[:, 0] > 0]


def test_an_assumption_names_question_lines_answer_and_kind() -> None:
    (mask,) = _simulated(_half).assumptions
    assert mask.asked == "rows of aten.nonzero.default, of at most 6"
    assert mask.answer == 6 and mask.answers == (6,) and mask.kind == "assumed" and mask.times == 3
    assert mask.where.startswith("tests/drystep/values/test_reads.py:") and "return x[m(x)[:, 0] > 0]" in mask.where
    assert mask.library == "" and mask.most_rows == 6 and mask.decides_rows
    assert "_half" in mask.names and any(name.startswith("test_reads.py:") for name in mask.names)
    said = "assumed: rows of aten.nonzero.default, of at most 6 = 6, asked 3 times, at "
    assert str(mask) == f"{said}{mask.where}"


def test_the_line_of_a_library_that_asks_is_named_once() -> None:
    def keep(m: nn.Module, x: Tensor) -> None:
        nms(m(x), x[:, 0], 0.5)

    (read,) = _simulated(keep).assumptions
    assert read.library.startswith("torchvision/ops/boxes.py:") and read.library.endswith(" nms")
    assert read.where.endswith("(`nms(m(x), x[:, 0], 0.5)`)")
    assert str(read).endswith(f"at {read.where}, in {read.library}")


def test_known_goes_before_stated_and_stated_before_drawn_and_assumed() -> None:
    def body(m: nn.Module, x: Tensor) -> None:
        device = x.device
        assert torch.tensor([1, 0, 1], device=device).nonzero().shape == (2, 1)
        assert torch.ones(3, device=device).sum().item() == 3
        assert torch.rand(8, device=device)[torch.rand(8, device=device) < 2].shape == (5,)
        assert x[m(x)[:, 0] > 0].shape == (5, 4)
        assert m(x).sum().item() == 9

    kinds = [read.kind for read in _simulated(body, oracles=Oracles(rows=5, item=9)).assumptions]
    assert kinds == ["known", "known", "stated", "stated", "stated"]


def test_what_follows_from_drawn_numbers_says_so() -> None:
    (read,) = _simulated(lambda m, x: (torch.rand(8, device=x.device) < 2).nonzero()).assumptions
    assert (read.answer, read.kind, read.note) == (8, "known", "from random numbers that were drawn")


def test_an_answer_belongs_to_a_tensor_in_backward_too() -> None:
    def loss(m: nn.Module, x: Tensor) -> Tensor:
        y = m(x)
        return y[y[:, 0] > 0].sum()

    simulation = _simulated(
        lambda m, x: loss(m, x).backward(), oracles=Oracles(by_name={"loss": 2}), known_limit_bytes=0
    )
    (read,) = simulation.assumptions
    assert (read.kind, read.answers, read.times) == ("stated", (2,), 3)  # asked once a step: backward knows it
    assert not simulation.warnings


def test_the_rows_of_a_mask_agree_with_what_is_asked_of_it_later() -> None:
    counts = []

    def body(m: nn.Module, x: Tensor) -> None:
        mask = m(x)[:, 0] > 0
        counts.append((len(mask.nonzero()), mask.sum().item(), bool(mask.all()), mask.nonzero().flatten().tolist()))

    _simulated(body, oracles=Oracles(rows=2))
    _simulated(body)
    assert counts[0] == (2, 2, False, [0, 1])
    assert counts[-1] == (6, 6, True, [0, 1, 2, 3, 4, 5])


def test_statements_by_line_and_order() -> None:
    def two(m: nn.Module, x: Tensor) -> None:
        y = m(x)
        for column in range(2):
            torch.empty(100 * len(y[y[:, column] > 0]), dtype=torch.uint8, device=x.device)

    line = two.__code__.co_firstlineno + 3
    for name in (f"test_reads.py:{line}", f"values/test_reads.py:{line}", "two", "nonzero"):
        simulation = _simulated(two, oracles=Oracles(by_name={name: [5, 3]}))
        assert {500, 300} <= _sizes(simulation), name
        assert simulation.assumptions[0].answers == (5, 3)
    with pytest.raises(SimulationError, match="oracle 'two' states 1 answer, and the step asks for one more"):
        _simulated(two, oracles=Oracles(by_name={"two": [5]}))


def test_shares_of_the_rows() -> None:
    assert 3 * 4 * 4 in _sizes(_simulated(_half, oracles=Oracles(by_name={"_half": Share(0.5)})))
    with pytest.raises(ValueError, match=r"a share of rows must be from 0 \(0 %\) to 1 \(100 %\), not 2"):
        Share(2)

    def sum_of(m: nn.Module, x: Tensor) -> None:
        m(x).sum().item()

    def repeated(m: nn.Module, x: Tensor) -> None:
        torch.repeat_interleave(x, m(x)[:, 0].long(), dim=0)

    with pytest.raises(SimulationError, match="oracle repeated must be a number of rows, not 50%: it has no limit"):
        _simulated(repeated, oracles=Oracles(by_name={"repeated": Share(0.5)}))
    with pytest.raises(SimulationError, match="oracle 'sum_of' states 50% of the rows for what is read as a number"):
        _simulated(sum_of, oracles=Oracles(by_name={"sum_of": [1, Share(0.5)]}))


def test_lists_for_what_is_read_as_a_list() -> None:
    read = []

    def grid(m: nn.Module, x: Tensor) -> None:
        read.append(m(x)[:2, :3].long().tolist())

    _simulated(grid, oracles=Oracles(by_name={"grid": [[1, 16, 16], [1, 8, 8]]}))
    assert read[-1] == [[1, 16, 16], [1, 8, 8]]
    _simulated(grid, oracles=Oracles(by_name={"grid": [2, 3, 4, 5, 6, 7]}))
    assert read[-1] == [[2, 3, 4], [5, 6, 7]]
    _simulated(grid, oracles=Oracles(item=4))
    assert read[-1] == [[4, 4, 4], [4, 4, 4]]
    with pytest.raises(SimulationError, match="oracle 'grid' states 2 values for a tensor of 6"):
        _simulated(grid, oracles=Oracles(by_name={"grid": [[1, 2]]}))


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (lambda y: torch.isfinite(y).all(), True),
        (lambda y: torch.isnan(y).any(), False),
        (lambda y: y.isinf().any(), False),
        (lambda y: ~torch.isfinite(y).all(), False),
        (lambda y: torch.isnan(y).sum() == 0, True),
        (lambda y: (y > 0).all(), True),
        (lambda y: torch.allclose(y, y * 2), True),
    ],
)
def test_the_obvious_side_of_a_condition(condition: Callable[[Tensor], object], answer: bool) -> None:
    seen = []
    _simulated(lambda m, x: seen.append(bool(condition(m(x)))))
    assert seen[-1] is answer


def test_a_large_tensor_has_an_obvious_side_too() -> None:
    seen = []

    def body(m: nn.Module, x: Tensor) -> None:
        large = m(x).repeat(100_000, 10)  # 24 MB of conditions
        seen.append((bool(torch.isfinite(large).all()), bool(torch.isnan(large).any())))

    _simulated(body)
    assert seen[-1] == (True, False)


def test_numbers_of_the_device_are_formatted() -> None:
    texts = []

    def body(m: nn.Module, x: Tensor) -> None:
        texts.append((f"{m(x).sum():.4f}", f"{torch.tensor(2.5, device=x.device):.2f}", f"{x.shape}"))

    _simulated(body)
    assert texts[-1] == ("1.0000", "2.50", "torch.Size([6, 4])")


def test_an_error_names_the_answer_before_it() -> None:
    def split(m: nn.Module, x: Tensor) -> None:
        _half(m, x).split([3, 3])

    with pytest.raises(SimulationError, match=r"rows of aten\.nonzero\.default, of at most 6 was stated to be 5"):
        _simulated(split, oracles=Oracles(by_name={"_half": 5}))


@pytest.mark.parametrize("known", [True, False])
def test_a_loop_that_waits_for_a_value_ends_with_a_sentence(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drystep.values.reads.MOST_READS", 200)
    monkeypatch.setattr("drystep.values.reads.MOST_ASSUMED", 20)

    def forever(m: nn.Module, x: Tensor) -> None:
        while (torch.ones((), device=x.device) if known else m(x).sum()).item() < 5:
            pass

    with pytest.raises(
        SimulationError, match="one line asks for values 2.*1 times in one step: a number, as by .item().*to be 1"
    ) as caught:
        _simulated(forever)
    assert ("1 other answer was tried and failed too (a number, as by .item() at" in str(caught.value)) is not known
