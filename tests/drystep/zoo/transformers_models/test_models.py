"""Steps of small models of many tasks: for real on the CPU, where ids and labels out of range fail, and simulated."""

from functools import partial
from typing import Any

import pytest
import torch

from drystep import simulate
from drystep.zoo.loading import load_step
from drystep.zoo.settings import StepSettings
from drystep.zoo.spec import parse_spec

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WORDS = {"vocab_size": 99}
ROPE = {"num_key_value_heads": 2, "head_dim": 16}
BART = {
    "vocab_size": 99, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
}  # fmt: skip
QUERIES = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2,
}  # fmt: skip
DUAL = {f"{part}.{key}": value for part in ("text_config", "vision_config") for key, value in SMALL.items()}
SPEECH = {**SMALL, "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
SWIN = {"embed_dim": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
PATCHES = {**SMALL, "patch_size": 8}
MOE = {
    **SMALL,
    **WORDS,
    "num_key_value_heads": 2,
    "moe_intermediate_size": 32,
    "num_experts": 4,
    "num_experts_per_tok": 2,
}
QUICK: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int] | None]] = {
    "ViTForImageClassification": (PATCHES, {"classes": 5}, (32, 48)),
    "BertForMaskedLM": (SMALL | WORDS, {"tokens": 12}, None),
    "LlamaForCausalLM": (SMALL | WORDS | ROPE, {"tokens": 12}, None),
    "BartForConditionalGeneration": (BART, {"tokens": 12}, None),
    "SegformerForSemanticSegmentation": (
        {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 1, 1]}, {}, (64, 64),
    ),
    "YolosForObjectDetection": (PATCHES | {"num_detection_tokens": 9}, {"objects": 3, "classes": 4}, (32, 48)),
}  # fmt: skip
SLOW: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int] | None]] = {
    "SwinForImageClassification": (SWIN, {}, (224, 224)),
    "ConvNextForImageClassification": ({"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}, {}, (64, 96)),
    "ResNetForImageClassification": ({"hidden_sizes": [16, 16, 16, 16], "depths": [1, 1, 1, 1]}, {}, (64, 96)),
    "Dinov2ForImageClassification": (
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14}, {}, (70, 70),
    ),
    "ViTMAEForPreTraining": (
        PATCHES | {f"decoder_{key}": value for key, value in SMALL.items()}, {}, (32, 32),
    ),
    "ViTForMaskedImageModeling": (PATCHES | {"encoder_stride": 8}, {}, (32, 32)),
    "VideoMAEForVideoClassification": (PATCHES, {"frames": 4, "classes": 3}, (32, 32)),
    "VideoMAEForPreTraining": (
        PATCHES | {f"decoder_{key}": value for key, value in SMALL.items()}, {"frames": 4}, (32, 32),
    ),
    "VivitForVideoClassification": (SMALL | {"tubelet_size": [2, 16, 16]}, {"frames": 4}, (32, 32)),
    "TimesformerForVideoClassification": (PATCHES, {"frames": 4}, (32, 32)),
    "DetrForObjectDetection": (QUERIES, {"objects": 3}, (64, 96)),
    "DetrForSegmentation": (QUERIES | {"encoder_attention_heads": 8}, {"objects": 3}, (64, 96)),
    "MaskFormerForInstanceSegmentation": ({}, {"objects": 2}, (64, 64)),
    "Mask2FormerForUniversalSegmentation": ({"decoder_layers": 3}, {"objects": 2}, (64, 64)),
    "GLPNForDepthEstimation": (
        {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 1, 1],
         "decoder_hidden_size": 8}, {}, (64, 64),
    ),
    "UperNetForSemanticSegmentation": ({"hidden_size": 16, "pool_scales": [1]}, {"classes": 5}, (64, 64)),
    "BertForSequenceClassification": (SMALL | WORDS, {"tokens": 12, "classes": 1}, None),
    "BertForTokenClassification": (SMALL | WORDS, {"tokens": 12, "classes": 7}, None),
    "BertForQuestionAnswering": (SMALL | WORDS, {"tokens": 12}, None),
    "BertForMultipleChoice": (SMALL | WORDS, {"tokens": 12}, None),
    "BertForNextSentencePrediction": (SMALL | WORDS, {"tokens": 12}, None),
    "BertForPreTraining": (SMALL | WORDS, {"tokens": 12}, None),
    "RobertaForMaskedLM": (SMALL | WORDS | {"max_position_embeddings": 20}, {}, None),
    "ElectraForPreTraining": (SMALL | WORDS, {"tokens": 12}, None),
    "GPT2LMHeadModel": ({"n_layer": 2, "n_embd": 32, "n_head": 2} | WORDS, {"tokens": 12}, None),
    "GPT2ForSequenceClassification": ({"n_layer": 2, "n_embd": 32, "n_head": 2} | WORDS, {"tokens": 12}, None),
    "MixtralForCausalLM": (SMALL | WORDS | ROPE | {"num_local_experts": 4}, {"tokens": 12}, None),
    "Qwen3MoeForCausalLM": (MOE, {"tokens": 12}, None),
    "T5ForConditionalGeneration": (
        {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_layers": 1, "num_heads": 2} | WORDS, {"tokens": 12}, None,
    ),
    "BartForSequenceClassification": (BART, {"tokens": 12}, None),
    "WhisperForConditionalGeneration": (BART | {"vocab_size": 52000, "max_source_positions": 100}, {"tokens": 9}, None),
    "Wav2Vec2ForCTC": (SPEECH, {"tokens": 9}, None),
    "HubertForSequenceClassification": (SPEECH, {"classes": 3}, None),
    "ASTForAudioClassification": (SMALL | {"max_length": 64}, {"classes": 3}, None),
    "CLIPModel": (DUAL | {"vision_config.patch_size": 8}, {"tokens": 12}, (32, 32)),
    "LlavaForConditionalGeneration": (
        DUAL | {"text_config.vocab_size": 99, "image_token_index": 98, "vision_config.patch_size": 8},
        {"tokens": 12}, (32, 32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.nightly) for name in SLOW)])
def test_a_step_runs_for_real_and_is_simulated(name: str) -> None:
    values, settings, image_size = {**QUICK, **SLOW}[name]
    torch.manual_seed(0)
    step = load_step(parse_spec(f"transformers:{name}"), StepSettings(config_values=values, **settings), image_size)
    step.build_step(torch.device("cpu"), batch_size=2)()
    simulation = simulate(partial(step.build_step, batch_size=2), gpus=())
    assert simulation.peak_allocated_bytes > 0
    assert {operator.phase for operator in simulation.trace.operators} >= {"forward", "backward", "optimizer"}
