"""The language models whose step times were measured, as transformers 4.38 computed them.

Later versions of the library compute attention and experts with other operators, so the operators of that version are
written out here (`drystep/ground_truth/README.md`).
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drystep.errors import choose
from drystep.torch_private import apply_to_tensors
from drystep.trace.recorder import BuildStep
from drystep.validation.language_models import PaddedBatch, transformers_library
from drystep.validation.xmem_loop import build_on_meta

Attention = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TimedModel:
    """One model of the measurements."""

    config: tuple[str, dict[str, Any]]
    """Configuration class, and values that differ from its defaults."""
    inference: str
    """Model class for an inference."""
    training: str
    """Model class for a training step."""
    module: str
    """Module of `transformers.models` that defines the model."""


def _gpt2(**values: Any) -> TimedModel:
    return TimedModel(("GPT2Config", values), "GPT2LMHeadModel", "GPT2LMHeadModel", "gpt2.modeling_gpt2")


BERT = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
OPT = {
    "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32, "ffn_dim": 8192,
    "word_embed_proj_dim": 2048,
}  # fmt: skip
SWITCH = {
    "d_model": 1024, "d_kv": 128, "d_ff": 16384, "num_layers": 24, "num_decoder_layers": 24, "num_heads": 32,
    "num_experts": 4, "num_sparse_encoder_layers": 12, "num_sparse_decoder_layers": 12, "expert_capacity": 64,
}  # fmt: skip
SWITCH_CLASS = "SwitchTransformersForConditionalGeneration"
MODELS = {
    "bert_large": TimedModel(
        ("BertConfig", BERT), "BertForSequenceClassification", "BertForPreTraining", "bert.modeling_bert"
    ),
    "gpt2_large": _gpt2(n_embd=1280, n_layer=36, n_head=20),
    "gpt3_xl": _gpt2(n_embd=3072, n_layer=24, n_head=24, n_positions=2048),
    "gpt3_27": _gpt2(n_embd=2560, n_layer=32, n_head=32, n_positions=2048),
    "opt_13": TimedModel(("OPTConfig", OPT), "OPTForCausalLM", "OPTForCausalLM", "opt.modeling_opt"),
    "switchxl4": TimedModel(
        ("SwitchTransformersConfig", SWITCH), SWITCH_CLASS, SWITCH_CLASS,
        "switch_transformers.modeling_switch_transformers",
    ),
}  # fmt: skip
"""Models by the names of NeuSight's labels, with the sizes in NeuSight's model files."""


def build_timed(name: str, trains: bool, batch_size: int, length: int) -> BuildStep:
    """Return a `build_step` for `simulate`: a forward pass, and in training a backward pass into existing gradients.

    Raises `ValueError` for an unknown model, or if the transformers library is not installed.
    """
    known = MODELS[choose("model", name, MODELS)]
    library = transformers_library()
    config_class, values = known.config
    config = getattr(library, config_class)(**values, use_cache=False, attn_implementation="eager")
    host = build_on_meta(lambda: getattr(library, known.training if trains else known.inference)(config))

    def build_step(device: torch.device) -> Callable[[], object]:
        model = apply_to_tensors(host, lambda tensor: tensor.to(device, copy=True)).train(trains)
        tokens = torch.ones(batch_size, length, dtype=torch.long, device=device)
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        if name == "switchxl4":
            inputs["decoder_input_ids"] = tokens

        def step() -> None:
            with PaddedBatch(), _as_measured(known.module), torch.set_grad_enabled(trains):
                output = model(**inputs)
                if trains:
                    logits = output.prediction_logits if name == "bert_large" else output.logits
                    F.cross_entropy(logits.view(-1, logits.shape[-1]), tokens.view(-1)).backward()

        return step

    return build_step


@contextmanager
def _as_measured(module: str) -> Iterator[None]:
    """Replace functions of the library by those of the measured version."""
    place = importlib.import_module(f"transformers.models.{module}")
    with ExitStack() as stack:
        if module in ATTENTION:
            stack.enter_context(mock.patch.object(place, "eager_attention_forward", ATTENTION[module]))
        if module.startswith("switch"):
            stack.enter_context(mock.patch.object(place.SwitchTransformersSparseMLP, "forward", _even_experts))
        yield


def _gpt2_attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Any:
    """GPT-2: scores are divided by a tensor, and masked with `where`. (B, heads, L, d) -> (B, L, heads, d)."""
    scores = query @ key.transpose(-1, -2)
    scores = scores / torch.full([], 8.0, device=scores.device)
    causal = torch.empty(scores.shape[-2:], dtype=torch.bool, device=scores.device)
    scores = torch.where(causal, scores, torch.full([], -1e9, device=scores.device))
    return _weigh(scores, value, 0.1 if module.training else 0.0)


def _bert_attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Any:
    """BERT: scores are divided by a number, and the mask has one row per text."""
    scores = (query @ key.transpose(-1, -2)) / 8.0
    scores = scores + scores.new_empty(scores.shape[0], 1, 1, scores.shape[-1])
    return _weigh(scores, value, 0.1 if module.training else 0.0)


def _opt_attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Any:
    """OPT: queries are scaled, each text has a mask, a maximum keeps scores finite, and there is no dropout."""
    scores = query.contiguous() @ key.contiguous().transpose(-1, -2)
    scores = scores + scores.new_empty(scores.shape[0], 1, *scores.shape[-2:])
    scores = torch.max(scores, scores.new_empty([]))
    return _weigh(scores, value.contiguous(), 0.0)


def _weigh(scores: Tensor, value: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
    weights = F.dropout(scores.softmax(-1), dropout)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def _even_experts(layer: Any, hidden: Tensor) -> Tensor:
    """Switch: the experts share the tokens evenly, because routing depends on values. (B, L, d) -> (B, L, d)."""
    share = min(layer.router.expert_capacity, hidden.shape[1] // layer.router.num_experts)
    _, probabilities, _ = layer.router(hidden)
    mixed = hidden.clone()
    for expert in layer.experts.values():
        mixed[:, :share] = expert(hidden[:, :share])
    return probabilities * mixed


ATTENTION: dict[str, Attention] = {
    "gpt2.modeling_gpt2": _gpt2_attention,
    "bert.modeling_bert": _bert_attention,
    "opt.modeling_opt": _opt_attention,
}
