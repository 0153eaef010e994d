"""Language models of Hugging Face with padded batches and explicit attention. Nothing is downloaded."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from drystep.validation.hub_configs import CONFIGS
from drystep.validation.xmem_loop import build_on_meta

SEQUENCE_LENGTH = 128
"""`max_length` of the tokenizer, to which a batch of about ten texts or more is padded."""


class PaddedBatch(TorchFunctionMode):
    """Answers a model that asks whether a mask is all ones: it is not. Meta tensors have no values to look at."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__bool__ and args[0].device.type == "meta":
            return False
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class LanguageModel:
    """A Hugging Face model from its configuration; nothing is downloaded."""

    name: str
    batch_size: int

    def build(self) -> nn.Module:
        """Build the model with random weights."""
        transformers = transformers_library()
        config_class, model_class, values = CONFIGS[self.name]
        config = getattr(transformers, config_class)(**values, use_cache=False, attn_implementation="eager")
        return build_on_meta(lambda: getattr(transformers, model_class)(config))

    def batch(self, device: torch.device) -> dict[str, Tensor]:
        """Tokens, mask and labels as the collator makes them, (batch size, 128) int64 each."""
        names = ("input_ids", "attention_mask", "labels")
        size = (self.batch_size, SEQUENCE_LENGTH)
        return {name: torch.ones(size, dtype=torch.long, device=device) for name in names}

    def forward(self, model: nn.Module, batch: dict[str, Tensor]) -> Any:
        """Run the model, which returns its loss and the scores of the vocabulary."""
        with PaddedBatch():
            return model(**batch)

    def loss(self, output: Any, batch: dict[str, Tensor]) -> Tensor:
        """The loss that the model computed."""
        return output.loss

    def logits(self, output: Any) -> Tensor:
        """Scores of the vocabulary."""
        return output.logits


def transformers_library() -> ModuleType:
    """Import the transformers library. Raises `ValueError`, which says how to get it, if it is not installed."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ValueError("rows of language models need the transformers library: pip install transformers") from error
