import pytest
import torch

from drystep import check, simulate
from drystep.gpus.classes import Gpu

MIB = 1 << 20
CARDS = [Gpu("small", "Small card", visible_mib=60, context_mib=20), Gpu("large", "Large card", 660, 20)]


def build_step(device: torch.device, batch_size: int = 2):
    """A megabyte of weights, as much of gradients, and a megabyte of data for each sample."""
    model = torch.nn.Linear(512, 512, bias=False).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    data = torch.empty(batch_size, 512, 512, device=device)

    def step() -> None:
        optimizer.zero_grad()
        model(data).sum().backward()
        optimizer.step()

    return step


def test_the_answer_for_a_function() -> None:
    checked = check(build_step, gpu=CARDS, batch_size=50)
    assert not checked.fits
    assert check(build_step, gpu=CARDS[1], quick=True).fits
    small, large = checked.rows
    assert (small.batch_size, small.gpu.name, large.gpu.name) == (50, "small", "large")
    assert small.largest_batch is not None and large.largest_batch is not None
    for row in checked.rows:  # the largest batch fits the card, and the next does not
        verdicts = [
            simulate(lambda device, size=size: build_step(device, size), gpus=[row.gpu]).fits[row.gpu.name].verdict
            for size in (row.largest_batch, row.largest_batch + 1)
        ]
        assert verdicts == ["fits", "oom"]


def test_it_prints_as_the_command_does_and_shows_as_a_page() -> None:
    checked = check(build_step, gpu=CARDS, batch_size=50, quick=True)
    lines = str(checked).splitlines()
    assert lines[0] == "build_step, fp32, batch 50, PyTorch 2.11; simulated"
    assert any(line.split()[:5] == ["Small", "card", "does", "not", "fit"] for line in lines)
    html = checked._repr_html_()
    assert "Large card" in html and "<script" not in html


def test_a_decorator_prints_and_returns_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(gpu=CARDS[1], quick=True)(build_step) is build_step
    assert "Large card" in capsys.readouterr().out


def test_unknown_cards() -> None:
    with pytest.raises(ValueError, match="unknown GPU 'rtx-9999'"):
        check(build_step, gpu="rtx-9999")
