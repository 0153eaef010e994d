"""How a model that a user names is trained: what `drystep fit SPEC` takes as options."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from drystep.bounds import require_whole
from drystep.errors import choose

MODES = ("train", "inference")
PRECISIONS = ("fp32", "amp-fp16", "amp-bf16")
"""Precisions that the code of a step states itself."""
FUSED_ATTENTION = ("auto", "off")
MOST = {"classes": 2**24, "objects": 2**16, "tokens": 2**24, "frames": 2**16, "accumulate": 2**16}
"""Setting that counts something -> the most that it may be."""


@dataclass(frozen=True)
class StepSettings:
    """Settings of the training step of a named model. None, False or nothing: as the model's family does it."""

    classes: int | None = None
    """Classes of the head; None for as many as the model has by default."""
    objects: int | None = None
    """Objects in each image, for models that detect them."""
    tokens: int | None = None
    """Tokens of each text, for models of language."""
    frames: int | None = None
    """Frames of each clip, for models of video."""
    config: str | None = None
    """A configuration of transformers: a JSON file, or a folder with config.json."""
    config_values: Mapping[str, Any] = field(default_factory=dict)
    """Values of the configuration that replace others; a dot names a part, such as text_config.num_hidden_layers."""
    method: str = "full"
    """Which parameters train."""
    method_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the method, such as rank."""
    precision: str = "fp32"
    """One of `PRECISIONS`."""
    optimizer: str = "adamw"
    """Name of the optimizer."""
    mode: str = "train"
    """A training step, or a forward pass without gradients."""
    ema: bool = False
    """Whether an exponential moving average of the weights is kept."""
    accumulate: int = 1
    """Batches whose gradients are summed for one step of the optimizer."""
    checkpointing: bool = False
    """Whether blocks run again in backward instead of keeping their activations."""
    channels_last: bool = False
    """Whether images and convolutions have the memory format channels_last."""
    fused_attention: str = "auto"
    """"auto" for PyTorch's fused attention, where the model uses it; "off" for explicit products."""

    def __post_init__(self) -> None:
        choose("mode", self.mode, MODES)
        choose("precision", self.precision, PRECISIONS)
        choose("setting of --fused-attention", self.fused_attention, FUSED_ATTENTION)
        for name, most in MOST.items():
            if getattr(self, name) is not None:
                require_whole(option_of(name), getattr(self, name), 1, most)
        unsuited = sorted(self.changed() & ONLY_TRAINING) if self.mode == "inference" else []
        if unsuited:
            raise ValueError(f"--mode inference runs no training: leave {', '.join(map(option_of, unsuited))} out")

    def changed(self) -> set[str]:
        """Names of the settings that are not the default."""
        return {part.name for part in fields(self) if getattr(self, part.name) != _default(part)}

    def refuse(self, names: set[str] | frozenset[str], whose: str) -> None:
        """Raise `ValueError` if settings are given that a model, or a kind of models, does not have."""
        given = sorted(self.changed() & names)
        if given:
            options = " and ".join(map(option_of, given))
            raise ValueError(f"{options} {'does' if len(given) == 1 else 'do'} not apply to {whose}")


ONLY_TRAINING = frozenset({"method", "method_options", "optimizer", "ema", "accumulate", "checkpointing", "objects"})


def option_of(name: str) -> str:
    """The option of the command line that a setting comes from."""
    special = {"config_values": "--set", "method_options": "the options of a method"}
    return special.get(name, "--" + name.replace("_", "-"))


def _default(part: "Field[Any]") -> Any:
    return part.default if part.default_factory is MISSING else part.default_factory()
