"""What a real run read, and simulations that are told the same."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from drystep import simulate
from drystep.fit.probe import probe
from drystep.program.places import Place
from drystep.program.source_lines import Frame, SourceLine
from drystep.values.known import DEFAULT_LIMIT_BYTES
from drystep.values.recorded import Read, RecordedReads, ReplayedReads

NUMBERS = [[3.0, -1.0], [2.0, 0.0], [2.0, 5.0]]
aten = torch.ops.aten
READS: dict[str, tuple[Callable[[Tensor], object], object]] = {
    "tolist": (lambda x: x.tolist(), NUMBERS),
    "tolist of a number": (lambda x: x[2, 1].tolist(), 5.0),
    "cpu": (lambda x: x.cpu().sum(1).tolist(), [2.0, 2.0, 7.0]),
    "item": (lambda x: x.sum().item(), 11.0),
    "a condition": (lambda x: bool((x > 4).any()), True),
    "a condition that does not hold": (lambda x: bool((x > 9).any()), False),
    "equal": (lambda x: torch.equal(x, x + 1), False),
    "nonzero": (lambda x: x.nonzero().shape, (5, 2)),
    "a boolean index": (lambda x: x[x > 1].shape, (4,)),
    "unique": (lambda x: x.unique().shape, (5,)),
    "unique rows": (lambda x: x[:, :1].expand(3, 2).unique(dim=0).shape, (2, 2)),
    "unique_consecutive": (lambda x: x[:, 0].unique_consecutive().shape, (2,)),
    "repeat_interleave": (lambda x: torch.repeat_interleave(x, x[:, 0].long(), dim=0).shape, (7, 2)),
    "bincount": (lambda x: torch.bincount(x[:, 0].long()).shape, (4,)),
}


def _reading(read: Callable[[Tensor], object], answers: list[object]) -> Callable[[torch.device], Callable]:
    """A step that reads `NUMBERS` after they went through a layer that leaves them what they are."""

    def build(device: torch.device):
        layer = torch.nn.Linear(2, 2, bias=False).to(device)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(2))
        x = torch.tensor(NUMBERS, device=device)

        def step() -> None:
            answers.append(read(layer(x).detach()))

        return step

    return build


@pytest.mark.parametrize("limit_bytes", [0, DEFAULT_LIMIT_BYTES])
@pytest.mark.parametrize("name", READS)
def test_a_simulation_reads_what_the_real_run_read(name: str, limit_bytes: int) -> None:
    read, expected = READS[name]
    real_answers: list[object] = []
    answers: list[object] = []
    real = probe(_reading(read, real_answers), iterations=2)
    assert real_answers == [expected] * 2
    simulate(_reading(read, answers), iterations=2, oracles=real.reads, known_limit_bytes=limit_bytes)
    assert answers == [expected] * 2


def test_of_how_many_rows_a_real_run_got_some() -> None:
    """No share of what has no limit."""
    bounded = {"nonzero": (5, 6), "a boolean index": (4, 6), "unique": (5, 6), "unique rows": (2, 3)}
    bounded |= {"unique_consecutive": (2, 3)}
    for name, (read, _) in READS.items():
        recorded = probe(_reading(read, []), iterations=2).reads
        shares = [(rows, most) for _, _, rows, most in recorded.shares()]
        assert shares == ([bounded[name]] if name in bounded else []), name


def test_answers_are_those_of_the_step_in_order() -> None:
    """A counter in host memory moves the numbers, so that each read of each step has another answer."""

    def built(answers: list[float]) -> Callable[[torch.device], Callable]:
        counter = iter(range(100))

        def build(device: torch.device):
            layer = torch.nn.Linear(1, 1, bias=False).to(device)
            torch.nn.init.ones_(layer.weight)
            answers.append(layer(torch.full((1, 1), float(next(counter)), device=device)).item())

            def step() -> None:
                for _ in range(2):
                    answers.append(layer(torch.full((1, 1), float(next(counter)), device=device)).item())

            return step

        return build

    real_answers: list[float] = []
    answers: list[float] = []
    real = probe(built(real_answers), iterations=2)
    simulate(built(answers), iterations=2, oracles=real.reads, known_limit_bytes=0)
    assert answers == real_answers == [0, 1, 2, 3, 4]


def _place(line: int) -> Place:
    return Place(SourceLine("train.py", line, "step"), (Frame("train.py", line, "step", "step"),))


def test_the_largest_share_of_each_place() -> None:
    recorded = RecordedReads()
    recorded.places |= {("train.py", line, "aten.nonzero.default"): _place(line) for line in (3, 5, 7)}
    recorded.steps[-1]["train.py", 3, "aten.nonzero.default"] = [Read(2, 10), Read(1, 4)]
    recorded.begin_step()
    recorded.steps[-1]["train.py", 3, "aten.nonzero.default"] = [Read(0, 100)]
    recorded.steps[-1]["train.py", 5, "aten.nonzero.default"] = [Read(7, None), Read(0, 0)]
    recorded.steps[-1]["train.py", 7, "aten.nonzero.default"] = [Read(8, 8), Read(9, 9)]
    shares = [(place.names[0], operator, rows, most) for place, operator, rows, most in recorded.shares()]
    assert shares == [
        ("train.py:3", "aten.nonzero.default", 1, 4),
        ("train.py:7", "aten.nonzero.default", 9, 9),
    ]


def test_a_simulation_of_more_steps_than_were_recorded() -> None:
    """What is left is assumed."""
    recorded, place = RecordedReads(), _place(3)
    recorded.steps[-1]["train.py", 3, "aten.nonzero.default"] = [Read(2, 10)]
    replayed = ReplayedReads(recorded)
    nonzero = torch.ops.aten.nonzero.default
    assert replayed.rows(nonzero, place) == ("of a real run", 2)
    assert replayed.rows(nonzero, place) is None
    replayed.begin_step()
    assert replayed.rows(nonzero, place) is None
    assert replayed.unused == []
