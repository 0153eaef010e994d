"""Small steps of transformers' models, with random weights, explicit attention and the models' own losses."""

import functools
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from tests.drystep.real_runs.training import BuildStep, Loss, training
from tests.drystep.real_runs.transformers_inputs import (
    dialogue,
    labelled,
    mapped,
    masked,
    objects,
    pixels,
    segments,
    sentences,
    spectrogram,
    texts_and_images,
    tokens,
    waves,
)

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
LANGUAGE = {"vocab_size": 200, **SMALL}
LLAMA = {**LANGUAGE, "num_key_value_heads": 2}


def _model(kind: str, config: str, **settings: Any) -> nn.Module:
    made = getattr(transformers, config)(**settings)
    made._attn_implementation = "eager"
    return getattr(transformers, kind)(made)


def _of_loss(output: Any) -> Tensor:
    return output.loss


def _step(kind: str, config: str, inputs: Callable, loss: Loss = _of_loss, **settings: Any) -> BuildStep:
    return training(functools.partial(_model, kind, config, **settings), inputs, loss, "adamw")


ROPE = {"rope_type": "default", "type": "mrope", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
QWEN2_VL = {
    "text_config": {**LLAMA, "rope_scaling": ROPE},
    "vision_config": {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "patch_size": 14, "mlp_ratio": 2},
    "image_token_id": 190, "video_token_id": 191, "vision_start_token_id": 192, "vision_end_token_id": 193,
}  # fmt: skip
RESNET = {
    "model_type": "resnet", "embedding_size": 16, "hidden_sizes": [16, 32, 32, 64], "depths": [1, 1, 1, 1],
    "out_features": ["stage4"],
}  # fmt: skip
BACKBONE = {
    "model_type": "swin", "image_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [2, 2, 2, 2],
    "window_size": 4, "out_features": ["stage1", "stage2", "stage3", "stage4"],
}  # fmt: skip
DETR = {
    "backbone_config": RESNET, "use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None,
    "num_queries": 10, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "d_model": 32, "num_labels": 4, "auxiliary_loss": True,
}  # fmt: skip
MASK2FORMER = {
    "backbone_config": BACKBONE, "hidden_dim": 32, "feature_size": 32, "mask_feature_size": 32, "num_queries": 8,
    "encoder_layers": 1, "decoder_layers": 2, "encoder_feedforward_dim": 64, "dim_feedforward": 64, "num_labels": 4,
    "num_attention_heads": 4, "train_num_points": 64,
}  # fmt: skip
VIT = {**SMALL, "image_size": 64, "patch_size": 16}
WHISPER = {
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "d_model": 32,
}
BART = WHISPER
CLIP = {
    "text_config": {**LANGUAGE, "max_position_embeddings": 16},
    "vision_config": {**SMALL, "image_size": 64, "patch_size": 16},
    "projection_dim": 32,
}

TRANSFORMERS: dict[str, BuildStep] = {
    "vit": _step("ViTForImageClassification", "ViTConfig", labelled(), **VIT),
    "beit": _step("BeitForImageClassification", "BeitConfig", labelled(), **VIT),
    "dinov2": _step("Dinov2ForImageClassification", "Dinov2Config", labelled(), **VIT),
    "dinov3": _step("DINOv3ViTModel", "DINOv3ViTConfig", pixels(), lambda o: o.last_hidden_state.mean(), **VIT),
    "swin": _step(
        "SwinForImageClassification",
        "SwinConfig",
        labelled(),
        image_size=64,
        embed_dim=16,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=4,
    ),
    "swin2sr": _step(
        "Swin2SRForImageSuperResolution",
        "Swin2SRConfig",
        pixels(32),
        lambda o: o.reconstruction.mean(),
        embed_dim=24,
        depths=[1, 1],
        num_heads=[2, 2],
    ),
    "convnextv2": _step(
        "ConvNextV2ForImageClassification",
        "ConvNextV2Config",
        labelled(),
        hidden_sizes=[16, 32, 32, 64],
        depths=[1, 1, 1, 1],
    ),
    "segformer": _step(
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        mapped(),
        hidden_sizes=[16, 32, 32, 64],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=32,
    ),
    "vit_mae": _step(
        "ViTMAEForPreTraining",
        "ViTMAEConfig",
        pixels(),
        decoder_hidden_size=32,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=64,
        **VIT,
    ),
    "dpt": _step(
        "DPTForDepthEstimation",
        "DPTConfig",
        pixels(),
        lambda o: o.predicted_depth.mean(),
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
        **{**VIT, "num_hidden_layers": 4},
    ),
    "focalnet": _step(
        "FocalNetForImageClassification",
        "FocalNetConfig",
        labelled(),
        image_size=64,
        embed_dim=16,
        depths=[1, 1],
        focal_levels=[2, 2],
        focal_windows=[3, 3],
        hidden_sizes=[16, 32],
    ),
    "mobilevit": _step(
        "MobileViTForImageClassification",
        "MobileViTConfig",
        labelled(),
        image_size=64,
        hidden_sizes=[32, 32, 32],
        neck_hidden_sizes=[16, 16, 16, 32, 32, 32, 64],
    ),
    "levit": _step(
        "LevitForImageClassification",
        "LevitConfig",
        labelled(),
        image_size=64,
        hidden_sizes=[32, 48, 64],
        depths=[1, 1, 1],
        num_attention_heads=[2, 2, 2],
        key_dim=[16, 16, 16],
    ),
    "clip": _step("CLIPModel", "CLIPConfig", texts_and_images, **CLIP),
    "siglip": _step(
        "SiglipModel",
        "SiglipConfig",
        texts_and_images,
        text_config=CLIP["text_config"],
        vision_config=CLIP["vision_config"],
    ),
    "bert": _step("BertForSequenceClassification", "BertConfig", sentences, **LANGUAGE),
    "deberta": _step(
        "DebertaV2ForSequenceClassification",
        "DebertaV2Config",
        sentences,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        **LANGUAGE,
    ),
    "modernbert": _step("ModernBertForMaskedLM", "ModernBertConfig", masked, pad_token_id=0, **LANGUAGE),
    "gpt2": _step(
        "GPT2LMHeadModel",
        "GPT2Config",
        tokens,
        vocab_size=200,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=32,
        bos_token_id=0,
        eos_token_id=0,
    ),
    "opt": _step(
        "OPTForCausalLM",
        "OPTConfig",
        masked,
        vocab_size=200,
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
    ),
    "llama": _step("LlamaForCausalLM", "LlamaConfig", masked, **LLAMA),
    "qwen3": _step("Qwen3ForCausalLM", "Qwen3Config", masked, head_dim=16, **LLAMA),
    "gemma3": _step("Gemma3ForCausalLM", "Gemma3TextConfig", masked, head_dim=16, **LLAMA),
    "mamba2": _step(
        "Mamba2ForCausalLM",
        "Mamba2Config",
        tokens,
        vocab_size=200,
        hidden_size=32,
        num_hidden_layers=2,
        num_heads=4,
        head_dim=16,
        n_groups=1,
        state_size=16,
        chunk_size=8,
    ),
    "bart": _step(
        "BartForConditionalGeneration", "BartConfig", masked, vocab_size=200, max_position_embeddings=32, **BART
    ),
    "t5": _step(
        "T5ForConditionalGeneration",
        "T5Config",
        tokens,
        vocab_size=200,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    ),
    "whisper": _step(
        "WhisperForConditionalGeneration",
        "WhisperConfig",
        spectrogram,
        vocab_size=200,
        num_mel_bins=16,
        max_source_positions=32,
        max_target_positions=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        **WHISPER,
    ),
    "fnet": _step(
        "FNetForMaskedLM", "FNetConfig", tokens, **{k: v for k, v in LANGUAGE.items() if k != "num_attention_heads"}
    ),
    "mixtral": _step("MixtralForCausalLM", "MixtralConfig", masked, num_local_experts=4, **LLAMA),
    "qwen3_moe": _step(
        "Qwen3MoeForCausalLM",
        "Qwen3MoeConfig",
        masked,
        head_dim=16,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=32,
        **LLAMA,
    ),
    "gpt_oss": _step("GptOssForCausalLM", "GptOssConfig", masked, head_dim=16, num_local_experts=4, **LLAMA),
    "wav2vec2": _step(
        "Wav2Vec2ForCTC",
        "Wav2Vec2Config",
        waves,
        conv_dim=[16] * 7,
        vocab_size=32,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        **SMALL,
    ),
    "detr": _step("DetrForObjectDetection", "DetrConfig", objects, **DETR),
    "mask2former": _step("Mask2FormerForUniversalSegmentation", "Mask2FormerConfig", segments, **MASK2FORMER),
    "qwen2_vl": _step("Qwen2VLForConditionalGeneration", "Qwen2VLConfig", dialogue, **QWEN2_VL),
    "videomae": _step(
        "VideoMAEForVideoClassification",
        "VideoMAEConfig",
        lambda d: {
            "pixel_values": torch.rand(1, 4, 3, 64, 64, device=d),
            "labels": torch.zeros(1, dtype=torch.int64, device=d),
        },
        num_frames=4,
        **VIT,
    ),
}
"""Family -> a step of one of its models."""
