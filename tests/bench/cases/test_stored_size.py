"""The size of a task's file, against files that safetensors really writes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench import Case
from bench.cases.stored_size import DTYPES, stored_bytes
from bench.cases.training_step import prepare
from drystep.cuda.meta_cache import META
from e3va.backbones.trained_state import trainable_state_dict

CPU = torch.device("cpu")


def _written_bytes(model: nn.Module, folder: Path) -> int:
    path = folder / "task.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in trainable_state_dict(model).items()}, path)
    return path.stat().st_size


@pytest.mark.parametrize("method", ["full", "fixed", "bitfit", "lora", "e3va", "e3va-reference", "e3va-recompute"])
def test_is_the_size_of_the_file_that_is_written(method: str, tmp_path: Path) -> None:
    case = Case(task="ade20k", method=method, backbone="swin_tiny", image_size=(32, 32))
    real, dry = (prepare(case, device) for device in (CPU, META))
    for part in ("backbone", "model"):
        assert stored_bytes(getattr(dry, part)) == _written_bytes(getattr(real, part), tmp_path)


def test_a_file_of_nothing_has_a_length_and_an_empty_header() -> None:
    assert stored_bytes(nn.Linear(3, 3).requires_grad_(False)) == 8 + 8


def test_statistics_of_a_norm_are_stored_even_if_it_is_frozen(tmp_path: Path) -> None:
    norm = nn.BatchNorm2d(5).requires_grad_(False)
    assert stored_bytes(norm) == _written_bytes(norm, tmp_path) > 8 + 2 * 5 * 4 + 8


class Mixed(nn.Module):
    """A parameter of each floating-point type, and statistics, which have whole numbers: their order matters."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(numbers)
        for number, dtype in enumerate(dtype for dtype in DTYPES if dtype.is_floating_point):
            self.register_parameter(f"p{number}", nn.Parameter(torch.zeros(numbers, dtype=dtype)))


@pytest.mark.parametrize("numbers", [1, 3, 11, 12, 13, 99, 12_345])
def test_types_of_elements_stand_in_the_order_of_the_file(numbers: int, tmp_path: Path) -> None:
    assert stored_bytes(Mixed(numbers)) == _written_bytes(Mixed(numbers), tmp_path)
