"""Layer norms whose bias trains alone, over many rows, fail on a GPU: a simulation of such a step says so."""

from pathlib import Path

import pytest
import torch
from torch import nn

from drystep import Rules, simulate
from drystep.gpus.classes import read_gpus

RULES = Rules()
MEASURED = Path(__file__).parents[3] / "reports" / "measured"


def _build(rows: int, columns: int, weight_trains: bool, bias_trains: bool):
    def build(device: torch.device):
        norm = nn.LayerNorm(columns, device=device)
        norm.weight.requires_grad_(weight_trains)
        norm.bias.requires_grad_(bias_trains)
        images = torch.empty(rows, columns, device=device, requires_grad=True)
        return lambda: norm(images).sum().backward()

    return build


def _warned(rows: int, columns: int, weight: bool = False, bias: bool = True, rules: Rules = RULES) -> bool:
    simulation = simulate(_build(rows, columns, weight, bias), rules=rules)
    return any("invalid gradient" in warning for warning in simulation.warnings)


def test_what_failed_on_a_card_is_mentioned_and_what_worked_is_not() -> None:
    """On an NVIDIA H200, PyTorch 2.11: 70,000 rows of 192 fail with the bias alone."""
    assert _warned(70_000, 192)
    assert not _warned(60_000, 192)
    assert not _warned(70_000, 192, weight=True, bias=False)
    assert not _warned(70_000, 192, weight=True)


def test_how_long_rows_may_be_depends_on_the_card() -> None:
    """Rows of 32 * 66 take 66 blocks, half of the 132 multiprocessors of an H200; a V100 has 80."""
    h200 = next(iter(read_gpus(MEASURED / "nvidia-h200" / "card.toml").values()))
    assert _warned(70_000, 32 * 65, rules=Rules(card=h200))
    assert not _warned(70_000, 32 * 66, rules=Rules(card=h200))
    assert not _warned(70_000, 32 * 65, rules=Rules(card="v100-32gb"))
    assert _warned(70_000, 32 * 66)  # any card: the largest has 188


@pytest.mark.parametrize("version", ["1.12", "2.10"])
def test_versions_of_which_it_is_not_known(version: str) -> None:
    assert not _warned(70_000, 192, rules=Rules(torch=version))
