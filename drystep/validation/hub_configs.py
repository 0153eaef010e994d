"""Sizes of language models, from their `config.json` on the Hugging Face hub.

Values that are left out are the defaults of the configuration class.
"""

from collections.abc import Mapping
from typing import Any

HubConfig = tuple[str, str, Mapping[str, Any]]
"""Configuration class, model class, and values that differ from the class's defaults."""


def _gpt2(**values: Any) -> HubConfig:
    return "GPT2Config", "GPT2LMHeadModel", values


def _opt(**values: Any) -> HubConfig:
    return "OPTConfig", "OPTForCausalLM", values


def _t5(**values: Any) -> HubConfig:
    return "T5Config", "T5ForConditionalGeneration", {"decoder_start_token_id": 0, **values}


def _gpt_neo(**values: Any) -> HubConfig:
    return "GPTNeoConfig", "GPTNeoForCausalLM", values


def _pythia(**values: Any) -> HubConfig:
    return "GPTNeoXConfig", "GPTNeoXForCausalLM", {"vocab_size": 50304, "max_position_embeddings": 2048, **values}


CONFIGS: dict[str, HubConfig] = {
    "gpt2": _gpt2(),
    "openai-community/gpt2": _gpt2(),
    "openai-community/gpt2-medium": _gpt2(n_embd=1024, n_layer=24, n_head=16),
    "openai-community/gpt2-large": _gpt2(n_embd=1280, n_layer=36, n_head=20),
    "distilgpt2": _gpt2(n_layer=6),
    "distilbert/distilgpt2": _gpt2(n_layer=6),
    "cerebras/cerebras-gpt-111m": _gpt2(n_embd=768, n_layer=10, n_inner=3072, n_positions=2048),
    "facebook/opt-125m": _opt(),
    "facebook/opt-350m": _opt(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, ffn_dim=4096,
        word_embed_proj_dim=512, do_layer_norm_before=False,
    ),
    "t5-small": _t5(),
    "google-t5/t5-small": _t5(),
    "t5-base": _t5(d_model=768, d_ff=3072, num_layers=12, num_heads=12),
    "google-t5/t5-base": _t5(d_model=768, d_ff=3072, num_layers=12, num_heads=12),
    "eleutherai/gpt-neo-125m": _gpt_neo(
        hidden_size=768, num_layers=12, num_heads=12, attention_types=[[["global", "local"], 6]]
    ),
    "eleutherai/pythia-70m": _pythia(
        hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048
    ),
    "eleutherai/pythia-160m": _pythia(
        hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072
    ),
    "eleutherai/pythia-410m": _pythia(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
    ),
    "eleutherai/pythia-1b": _pythia(
        hidden_size=2048, num_hidden_layers=16, num_attention_heads=8, intermediate_size=8192
    ),
}  # fmt: skip
