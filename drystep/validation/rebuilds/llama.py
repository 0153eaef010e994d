"""Llama-3.2-3B fine-tuned whole, as the comparison of methods in the repository of peft runs it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from drystep.validation.rebuilds.training_step import BuildStep, library

SIZES = {
    "vocab_size": 128256, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28,
    "num_attention_heads": 24, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
}  # fmt: skip
"""Of meta-llama/Llama-3.2-3B."""
TEXTS = 4


@dataclass
class FineTuningStep:
    """One step per call. The batch and the output of a step live until those of the next take their place."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    tokens: int
    device: torch.device
    batch: dict[str, Tensor] = field(default_factory=dict)
    output: Any = None

    def __call__(self) -> None:
        """Train on one batch."""
        tokens = torch.zeros(TEXTS, self.tokens, dtype=torch.long, device=self.device)
        self.batch = {"input_ids": tokens, "labels": tokens.clone()}
        self.optimizer.zero_grad()
        self.output = self.model(**self.batch, num_items_in_batch=TEXTS * self.tokens)
        self.output.loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()


def llama_3b(tokens: int) -> BuildStep:
    """All weights in bfloat16, AdamW, gradients clipped at 1, on texts of so many tokens."""

    def build_step(device: torch.device) -> FineTuningStep:
        transformers = library("transformers")
        with device:
            model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
        model = model.to(torch.bfloat16).train()
        return FineTuningStep(model, torch.optim.AdamW(model.parameters(), lr=1e-5), tokens, device)

    return build_step
