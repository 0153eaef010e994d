"""Activation checkpointing of models whose library has none, by a wrapper of PyTorch around each block."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from drystep.zoo.model_parts import block_names

IMPORT = "from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing"


@dataclass(frozen=True)
class CheckpointingCode:
    """Lines that turn activation checkpointing on, and their imports; none for a model without blocks."""

    lines: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


def checkpointing_code(model: nn.Module, heads: Sequence[str]) -> CheckpointingCode:
    """Checkpoint the repeated blocks of a model. Single layers, as a VGG repeats them, are no blocks."""
    blocks = block_names(model, heads)
    if not blocks:
        return CheckpointingCode()
    kind = type(model.get_submodule(blocks[0]))
    line = f"apply_activation_checkpointing(model, check_fn=lambda module: isinstance(module, {kind.__name__}))"
    return CheckpointingCode((line,), (IMPORT, f"from {kind.__module__} import {kind.__name__}"))
