"""Texts as inputs: token ids that a model can embed, and as many as it has positions for."""

from itertools import pairwise
from typing import Any

from torch import nn

from drystep.zoo.transformers_models.subject import Batch, Subject

DEFAULT_TOKENS = 512
"""Tokens of a text, where the model has positions for them."""
POSITIONS = ("max_position_embeddings", "n_positions", "max_target_positions")
"""Names that configurations have for the longest text."""
TABLES = ("position_embeddings", "embed_positions", "wpe", "position_embedding")
"""Names of modules that embed positions."""
CHOICES = 4
"""Answers to choose from, as in the data sets SWAG and RACE."""


def texts(subject: Subject, batch: Batch, tokens: int | None = None) -> None:
    """Add token ids (batch, tokens) and their mask; (batch, choices, tokens) for multiple choice."""
    shape = f"(batch_size, {tokens or text_tokens(subject)})"
    if "MultipleChoice" in subject.name:
        shape = shape.replace("batch_size", f"batch_size, {CHOICES}")
    batch.suited.add("tokens")
    batch.add("input_ids", f"torch.randint({id_range(subject)}, {shape}, device=device)")
    end = getattr(subject.config, "eos_token_id", None)
    if subject.config.is_encoder_decoder and "SequenceClassification" in subject.name and isinstance(end, int):
        batch.lines.append(f"input_ids[:, -1] = {end}")
    if subject.takes("attention_mask"):
        batch.add("attention_mask", "torch.ones_like(input_ids)")


def text_tokens(subject: Subject) -> int:
    """Tokens of each text. Raises `ValueError` for more than the model has positions for."""
    most = longest_text(subject)
    wanted = subject.settings.tokens
    if wanted and most and wanted > most:
        raise ValueError(f"{subject.name} has positions for {most} tokens, got {wanted}")
    return wanted or min(DEFAULT_TOKENS, most or DEFAULT_TOKENS)


def longest_text(subject: Subject) -> int | None:
    """Most tokens that a model has positions for, or None where there is no limit.

    Tables whose first rows stand for padding, as those of RoBERTa, have as many positions fewer.
    """
    stated = [getattr(subject.text_config, name, None) for name in POSITIONS]
    limits = [value for value in stated if isinstance(value, int) and value > 0]
    for path, module in subject.example.named_modules():
        if isinstance(module, nn.Embedding) and path.rpartition(".")[2] in TABLES and "vision" not in path:
            padding = module.padding_idx
            if padding is not None and "create_position_ids" in _owner_methods(subject.example, path):
                limits.append(module.num_embeddings - padding - 1)
    return min(limits, default=None)


def _owner_methods(model: nn.Module, path: str) -> str:
    return " ".join(dir(model.get_submodule(path.rpartition(".")[0])))


def id_range(subject: Subject, config: Any = None) -> str:
    """Arguments of `torch.randint` for token ids: the longest range without ids that mean something to the model."""
    config = config or subject.text_config
    size = int(config.vocab_size)
    named = {
        value for part in (config, subject.config) for name, value in vars(part).items()
        if name.endswith(("_token_id", "_token_index")) and isinstance(value, int) and 0 <= value < size
    }  # fmt: skip
    edges = [-1, *sorted(named), size]
    low, high = max(pairwise(edges), key=lambda pair: pair[1] - pair[0])
    return f"{high}" if low < 0 else f"{low + 1}, {high}"


def task_texts(subject: Subject, batch: Batch) -> None:
    """Add what OneFormer trains with: a text of the task, and one for each query that no learned context takes."""
    config = subject.config
    texts = config.num_queries - config.text_encoder_n_ctx
    words = config.text_encoder_vocab_size
    batch.add("task_inputs", f"torch.randint({words}, (batch_size, {config.task_seq_len}), device=device)")
    shape = f"(batch_size, {texts}, {config.text_encoder_context_length})"
    batch.add("text_inputs", f"torch.randint({words}, {shape}, device=device)")


def phrase_texts(subject: Subject, batch: Batch, phrases: int) -> None:
    """Add texts of phrases that end in full stops, with BERT's ids of [CLS], words, full stops and [SEP]."""
    ids = [101, *(token for number in range(phrases) for token in (2000 + number, 1012)), 102]
    batch.add("input_ids", f"torch.tensor([{ids}] * batch_size, device=device)")
    batch.add("attention_mask", "torch.ones_like(input_ids)")
