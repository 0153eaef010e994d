"""Checkpoints of a training: folders that are whole or not used, the newest two of which are kept."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from drystep.errors import OutputError, shortened
from e3va.backbones.trained_state import load_trainable_state_dict

WEIGHTS, STATE, CONTENTS = "trained.safetensors", "state.pt", "contents.json"
KEPT = 2
"""Checkpoints that stay: if the newest is damaged, the one before it is used."""
NAME = re.compile(r"step-([0-9]+)")


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on, beside what its settings say."""

    step: int
    """Steps that are done."""
    trained: Mapping[str, Tensor]
    """All that training changes in the model, by name."""
    state: Mapping[str, Any]
    """State of the optimizer, the scaler and the training itself, as `torch.load(weights_only=True)` can read it."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into a folder of checkpoints, and remove all but the newest.

    It is written beside its place and renamed when it is complete. Raises `OutputError`, and leaves the checkpoints as
    they were, if it cannot be written.
    """
    place = folder / f"step-{checkpoint.step:08d}"
    beside = folder / f".{place.name}.part"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        weights = {name: tensor.contiguous() for name, tensor in checkpoint.trained.items()}
        (beside / WEIGHTS).write_bytes(save(weights))
        torch.save(dict(checkpoint.state), beside / STATE)
        sums = {name: _sum(beside / name) for name in (WEIGHTS, STATE)}
        (beside / CONTENTS).write_text(json.dumps({"step": checkpoint.step, "sha256": sums}))
        for file in beside.iterdir():
            _to_disk(file)
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)
        _to_disk(folder)
    except (OSError, RuntimeError) as error:  # PyTorch wraps what the system said
        shutil.rmtree(beside, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"the checkpoint of step {checkpoint.step} cannot be written to {folder}: {reason}"
        ) from error
    for _, old in list(_newest_first(folder))[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def newest_checkpoint(folder: Path, say: Callable[[str], object]) -> Checkpoint | None:
    """Read the newest checkpoint that is whole; None without any. `say` hears of damaged ones."""
    for step, place in _newest_first(folder):
        try:
            sums = json.loads((place / CONTENTS).read_text())["sha256"]
            damaged = [name for name, found in sums.items() if _sum(place / name) != found]
            if damaged:
                raise ValueError(f"{damaged[0]} is not what was written")
            state = torch.load(place / STATE, map_location="cpu", weights_only=True)
            return Checkpoint(step, load_file(place / WEIGHTS), state)
        except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
            say(f"the checkpoint {place} is damaged and left out, and the one before it, if any, is used: {error}")
    return None


def load_checkpoint(model: nn.Module, checkpoint: Checkpoint, folder: Path) -> None:
    """Give a model what a checkpoint has learned. Raises `ValueError` if it is of another method or backbone."""
    try:
        load_trainable_state_dict(model, checkpoint.trained)
    except (ValueError, RuntimeError) as error:  # other names, or other shapes
        what = f"the checkpoint in {folder} belongs to another method or backbone"
        raise ValueError(f"{what}: {shortened(str(error))}") from error


def _newest_first(folder: Path) -> Iterator[tuple[int, Path]]:
    found = [(int(match[1]), path) for path in folder.glob("step-*") if (match := NAME.fullmatch(path.name))]
    yield from sorted(found, reverse=True)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Wait until a file's or folder's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
