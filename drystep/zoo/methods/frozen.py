"""Methods that train a part of the model as it is: its head, its biases, its norms, its last blocks."""

import re
from collections.abc import Mapping
from typing import Any

from drystep.zoo.methods.method_code import MethodCode, refuse_options, trained_heads
from drystep.zoo.model_code import ModelCode
from drystep.zoo.model_parts import block_names

LAST = re.compile(r"last-(\d{1,4})")
FREEZE = "model.requires_grad_(False)"


def full(model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """Everything trains that the model leaves trainable."""
    refuse_options("full", options)
    return MethodCode()


def head(model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """The head alone trains (linear probe)."""
    refuse_options("head", options)
    if not model.heads:
        raise ValueError("method head needs a model with a head, and this one has none")
    return MethodCode((FREEZE, *trained_heads(model)))


def bitfit(model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """Biases and the head train (Zaken et al., ACL 2022)."""
    refuse_options("bitfit", options)
    if not any(name.endswith("bias") for name, _ in model.example.named_parameters()):
        raise ValueError("method bitfit trains biases, and this model has none")
    lines = (
        "for name, parameter in model.named_parameters():",
        '    parameter.requires_grad_(name.endswith("bias"))',
    )
    return MethodCode((*lines, *trained_heads(model)))


def norm(model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """The weights and biases of normalization layers, and the head, train."""
    refuse_options("norm", options)
    lines = (
        FREEZE,
        "for module in model.modules():",
        '    if "Norm" in type(module).__name__:',
        "        for parameter in module.parameters(recurse=False):",
        "            parameter.requires_grad_(True)",
    )
    return MethodCode((*lines, *trained_heads(model)))


def last_blocks(method: str, model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """The last N blocks and the head train."""
    refuse_options(method, options)
    match = LAST.fullmatch(method)
    number = int(match[1]) if match else 0
    blocks = block_names(model.example, model.heads)
    if not blocks:
        raise ValueError(f"method {method} needs a model with repeated blocks, and this one has none")
    if not 1 <= number <= len(blocks):
        raise ValueError(f"method {method} trains 1 to {len(blocks)} blocks of this model, not {number}")
    names = ", ".join(f'"{block}"' for block in blocks[-number:])
    lines = (
        FREEZE,
        f"for block in [{names}]:",
        "    model.get_submodule(block).requires_grad_(True)",
    )
    return MethodCode((*lines, *trained_heads(model)))
