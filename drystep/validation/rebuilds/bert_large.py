"""BERT-large on texts of 512 tokens, as the Trainer of transformers ran it in January 2022 (transformers 4.15)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from drystep.validation.rebuilds.training_step import BuildStep, library

TOKENS = 512
SIZES = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
"""Of bert-large-uncased."""
BETAS, EPSILON, LEARNING_RATE = (0.9, 0.999), 1e-8, 5e-5


class OneByOneAdamW(torch.optim.Optimizer):
    """AdamW as transformers had it: a loop over parameters, with one temporary of a parameter's size."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": LEARNING_RATE})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update every parameter."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self._update(parameter, group["lr"])

    def _update(self, parameter: Tensor, rate: float) -> None:
        moments = self.state[parameter]
        if not moments:
            moments.update(mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        gradient, (first, second) = parameter.grad, BETAS
        assert gradient is not None
        moments["mean"].mul_(first).add_(gradient, alpha=1 - first)
        moments["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = moments["square"].sqrt().add_(EPSILON)
        parameter.addcdiv_(moments["mean"], scale, value=-rate)


@dataclass
class TrainerStep:
    """Gradients of several batches, clipping, the optimizer, and gradients cleared at the end."""

    model: nn.Module
    optimizer: OneByOneAdamW
    batch_size: int
    accumulated: int
    device: torch.device

    def __call__(self) -> None:
        """Train on `accumulated` batches."""
        for _ in range(self.accumulated):
            tokens = torch.ones(self.batch_size, TOKENS, dtype=torch.long, device=self.device)
            classes = torch.zeros(self.batch_size, dtype=torch.long, device=self.device)
            loss = self.model(input_ids=tokens, labels=classes).loss
            (loss / self.accumulated).backward()
            del loss
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=False)
        self.optimizer.step()
        self.model.zero_grad()


def bert_large(batch_size: int, accumulated: int = 1, checkpointing: bool = False) -> BuildStep:
    """A classifier of texts, with batches whose gradients are accumulated, and with recomputed layers if wanted."""

    def build_step(device: torch.device) -> TrainerStep:
        transformers = library("transformers")
        config = transformers.BertConfig(**SIZES, attn_implementation="eager")
        with device:
            model = transformers.BertForSequenceClassification(config).train()
        if checkpointing:
            for layer in model.bert.encoder.layer:
                layer.forward = _recomputed(layer.forward)
        return TrainerStep(model, OneByOneAdamW(model.parameters()), batch_size, accumulated, device)

    return build_step


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's forward pass that keeps its input alone, (B, L, d), and runs again in backward."""

    def run(hidden: Tensor, *arguments: Any, **options: Any) -> Any:
        return checkpoint(lambda inputs: forward(inputs, *arguments, **options), hidden, use_reentrant=True)

    return run
