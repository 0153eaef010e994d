"""Methods of the package peft: LoRA and its kin, by the configuration class of each."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from drystep.zoo.methods.method_code import MethodCode
from drystep.zoo.model_code import ModelCode
from drystep.zoo.model_parts import lora_targets

MOST_RANK = 65536
DEFAULT_RANK = 8
SECOND_LAYERS = ("fc2", "down_proj", "w2", "wo", "dense_4h_to_h", "lin2")
"""Names of the second linear layer of a feed-forward block, whose input IA3 scales (section 3.3 of its paper)."""
TRAINING_STEPS = 1000
"""Steps that AdaLoRA plans its ranks for; the number has no effect on memory or time."""


@dataclass(frozen=True)
class Adapter:
    """A method of peft."""

    config: str
    """Class of its configuration."""
    fixed: Mapping[str, Any]
    """Fields of the configuration that make it this method."""
    rank_fields: tuple[str, ...] = ("r",)
    """Fields that the rank sets; none where the method has no rank."""
    after_step: tuple[str, ...] = ()


ADAPTERS = {
    "lora": Adapter("LoraConfig", {}),
    "dora": Adapter("LoraConfig", {"use_dora": True}),
    "ia3": Adapter("IA3Config", {}, ()),
    "boft": Adapter("BOFTConfig", {"boft_block_size": 4}, ()),
    "vera": Adapter("VeraConfig", {}),
    "adalora": Adapter(
        "AdaLoraConfig", {"total_step": TRAINING_STEPS}, ("target_r", "init_r"),
        ("model.base_model.update_and_allocate(next(steps))",),
    ),
}  # fmt: skip


def adapter(name: str, model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """Wrap a model by a method of peft.

    Options: rank, targets (names of modules), and any field of peft's configuration. Raises `ValueError` where peft is
    not installed, the rank is out of range, a target is not in the model, or the configuration lacks a field.
    """
    if importlib.util.find_spec("peft") is None:
        raise ValueError(f"method {name} needs the package peft: pip install 'drystep[peft]'")
    import peft

    kind = ADAPTERS[name]
    values = dict(options)
    rank = values.pop("rank", None)
    targets = _targets(model, values.pop("targets", None))
    stated = {key: value for key, value in values.items() if key not in kind.fixed}
    known = {part.name for part in fields(getattr(peft, kind.config))}
    for key in stated:
        if key not in known:
            raise ValueError(
                f"method {name} has no option {key}: it has rank, targets and the fields of peft.{kind.config}"
            )
    config = {**_rank(name, kind, rank, model), "target_modules": targets, **_second_layers(name, model, targets)}
    config |= {**kind.fixed, **values}
    if model.heads:
        config["modules_to_save"] = [*model.heads]
    text = ", ".join(f"{key}={value!r}" for key, value in config.items()).replace("'", '"')
    imports: tuple[str, ...] = (f"from peft import {kind.config}, get_peft_model",)
    lines: tuple[str, ...] = (f"config = {kind.config}({text})", "model = get_peft_model(model, config)")
    if kind.after_step:
        imports, lines = ("import itertools", *imports), (*lines, "steps = itertools.count(1)")
    return MethodCode(lines, imports, kind.after_step)


def _targets(model: ModelCode, stated: Sequence[str] | None) -> list[str]:
    if stated is None:
        found = lora_targets(model.example, (*model.heads, *model.uncalled))
        if not found:
            raise ValueError(
                "the model has no linear layers and no convolutions outside its head: name some with --targets"
            )
        return found
    names = [path for path, _ in model.example.named_modules() if path]
    for target in stated:
        if not any(path == target or path.endswith(f".{target}") for path in names):
            last = sorted({path.rpartition(".")[2] for path in names if not path.rpartition(".")[2].isdigit()})
            raise ValueError(f"no module of the model is named {target}: its modules are {', '.join(last)}")
    return list(stated)


def _rank(name: str, kind: Adapter, rank: int | None, model: ModelCode) -> dict[str, int]:
    if rank is None:
        return {"r": DEFAULT_RANK} if kind.rank_fields == ("r",) and name != "vera" else {}
    if not kind.rank_fields:
        raise ValueError(f"method {name} has no rank")
    if not 1 <= rank <= MOST_RANK:
        raise ValueError(f"rank must be between 1 and {MOST_RANK}, got {rank}")
    first, *others = kind.rank_fields
    return {first: rank, **dict.fromkeys(others, rank + rank // 2)}


def _second_layers(name: str, model: ModelCode, targets: list[str]) -> dict[str, list[str]]:
    """Fields of IA3, which scales keys, values and the inputs of second linear layers of feed-forward blocks."""
    if name != "ia3":
        return {}
    linear = {
        path.rpartition(".")[2] for path, module in model.example.named_modules() if isinstance(module, nn.Linear)
    }
    second = [layer for layer in SECOND_LAYERS if layer in linear and layer not in targets]
    return {"target_modules": [*targets, *second], "feedforward_modules": second}
