"""The code of steps against steps written by hand, losses computed by hand, and arithmetic."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from drystep import simulate
from drystep.zoo.loading import load_step
from drystep.zoo.model_code import ModelCode
from drystep.zoo.settings import StepSettings
from drystep.zoo.spec import parse_spec
from drystep.zoo.transformers_models.model import transformers_model

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CPU = torch.device("cpu")


def _code(name: str, image_size: tuple[int, int] | None = None, **settings: Any) -> ModelCode:
    return transformers_model(name, StepSettings(**settings), image_size)


def _run(code: ModelCode) -> dict[str, Any]:
    """What the lines of a model's code define on the CPU, dropout left out."""
    names: dict[str, Any] = {"device": CPU, "batch_size": 2, "image_size": code.image_size, "torch": torch}
    for line in (*code.imports, *code.model, "model.eval()", *code.data, *code.targets, *code.loss):
        exec(line, names)
    names["output"] = eval(code.forward, names)
    return names


def _by_hand(device: torch.device) -> Callable[[], None]:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(**TINY, num_labels=10, image_size=64)
    model = ViTForImageClassification(config).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.rand(3, 3, 64, 64, device=device)
    labels = torch.randint(10, (3,), device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss = model(images, labels=labels).loss
        loss.backward()
        optimizer.step()

    return step


def test_a_step_is_one_written_by_hand() -> None:
    made = load_step(
        parse_spec("transformers:ViTForImageClassification"),
        StepSettings(classes=10, config_values=TINY),
        (64, 64),
    )
    simulations = [simulate(step, gpus=()) for step in (partial(made.build_step, batch_size=3), _by_hand)]
    assert len({simulation.peak_allocated_bytes for simulation in simulations}) == 1
    assert len({simulation.peak_reserved_bytes for simulation in simulations}) == 1


def test_the_loss_of_a_classifier_is_cross_entropy() -> None:
    names = _run(_code("ViTForImageClassification", (32, 32), config_values=TINY, classes=5))
    expected = F.cross_entropy(names["output"].logits, names["labels"])
    assert names["output"].logits.shape == (2, 5)
    torch.testing.assert_close(names["loss"], expected)


def test_the_loss_of_a_language_model_is_that_of_the_next_tokens() -> None:
    values = {**TINY, "vocab_size": 99, "num_key_value_heads": 2}
    names = _run(_code("LlamaForCausalLM", config_values=values, tokens=8))
    assert names["input_ids"].shape == (2, 8)
    logits = names["output"].logits[:, :-1].flatten(0, 1)
    torch.testing.assert_close(names["loss"], F.cross_entropy(logits, names["input_ids"][:, 1:].flatten()))
    assert names["output"].past_key_values is None


def test_ids_mean_nothing_special() -> None:
    """Padding is 0, the first word 1, of 99; the image stands for 98, by 4 x 4 patches."""
    values = {f"{part}.{key}": value for part in ("text_config", "vision_config") for key, value in TINY.items()}
    values |= {"text_config.vocab_size": 99, "image_token_index": 98, "vision_config.patch_size": 8}
    names = _run(_code("LlavaForConditionalGeneration", (32, 32), config_values=values, tokens=1000))
    ids = names["input_ids"]
    assert ids.shape == (2, 16 + 1000)
    assert (ids == 98).sum(1).tolist() == [16, 16]
    assert ids[:, 16:].min() > 2


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("BertForMaskedLM", 512),
        ("RobertaForMaskedLM", 510),
        ("GPT2LMHeadModel", 512),
        ("CLIPTextModelWithProjection", 77),
    ],
)
def test_texts_are_as_long_as_models_take(name: str, tokens: int) -> None:
    """By the position tables of BERT, RoBERTa (whose first two rows are never read), GPT-2 (1024) and CLIP."""
    code = _code(name, mode="inference")
    assert any(f"(batch_size, {tokens})" in line for line in code.data)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ViTForImageClassification", (224, 224)),
        ("ResNetForImageClassification", (224, 224)),
        ("SegformerForSemanticSegmentation", (512, 512)),
        ("DetrForObjectDetection", (800, 1333)),
        pytest.param("Mask2FormerForUniversalSegmentation", (800, 1344), marks=pytest.mark.nightly),
        pytest.param("RTDetrForObjectDetection", (640, 640), marks=pytest.mark.nightly),
    ],
)
def test_default_sizes_are_those_of_the_image_processors(name: str, size: tuple[int, int]) -> None:
    """As the model cards and papers have them; Mask2Former pads to multiples of 32."""
    assert _code(name).image_size == size


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("ViTForImageClassification", ("classifier",)),
        ("BertForQuestionAnswering", ("qa_outputs",)),
        ("DetrForObjectDetection", ("class_labels_classifier", "bbox_predictor")),
        ("BertForMaskedLM", ()),
        ("GPT2LMHeadModel", ()),
        ("T5ForConditionalGeneration", ()),
    ],
)
def test_heads_are_new_in_each_task(name: str, heads: tuple[str, ...]) -> None:
    assert _code(name).heads == heads


def test_explicit_attention() -> None:
    """The probabilities of two heads are kept for backward in each of two layers."""
    settings: dict[str, Any] = {"config_values": TINY}
    peaks = []
    for fused in ("auto", "off"):
        spec = parse_spec("transformers:ViTForImageClassification")
        step = load_step(spec, StepSettings(fused_attention=fused, **settings), (448, 448))
        peaks.append(simulate(partial(step.build_step, batch_size=4), gpus=()).peak_allocated_bytes)
    assert peaks[1] - peaks[0] > 2 * 4 * 2 * (28 * 28 + 1) ** 2 * 4


def test_explicit_attention_reaches_all_parts() -> None:
    code = _code("CLIPModel", fused_attention="off")
    config: Any = code.example.config
    assert [part._attn_implementation for part in (config, config.text_config, config.vision_config)] == ["eager"] * 3


def test_checkpointing_keeps_less() -> None:
    spec = parse_spec("transformers:BertForSequenceClassification")
    kept, again = (
        simulate(
            partial(
                load_step(spec, StepSettings(checkpointing=checkpointing, config_values=TINY)).build_step, batch_size=8
            ),
            gpus=(),
        ).peak_allocated_bytes
        for checkpointing in (False, True)
    )
    assert again < kept


def test_a_configuration_of_a_file(tmp_path: Path) -> None:
    labels = {"id2label": {"0": "cat", "1": "dog", "2": "cow"}, "label2id": {"cat": 0, "dog": 1, "cow": 2}}
    (tmp_path / "config.json").write_text(json.dumps({**TINY, **labels, "model_type": "vit", "num_channels": 4}))
    code = _code("ViTForImageClassification", (32, 32), config=str(tmp_path))
    config: Any = code.example.config
    assert (config.num_labels, config.hidden_size, config.num_channels, config.image_size) == (3, 32, 4, 32)
    assert "torch.rand(batch_size, 4, *image_size" in code.data[0]
    other: Any = _code(
        "ViTForImageClassification", (32, 32), config=str(tmp_path / "config.json"), classes=7,
        config_values={"num_hidden_layers": 1},
    ).example.config  # fmt: skip
    assert (other.num_labels, other.num_hidden_layers, other.hidden_size) == (7, 1, 32)


def test_a_value_of_a_part_leaves_the_others() -> None:
    """LLaVA's vision tower is not CLIP's default: 24 layers of width 1024."""
    config: Any = _code(
        "LlavaForConditionalGeneration", config_values={"vision_config.num_hidden_layers": 5}
    ).example.config
    assert (config.vision_config.num_hidden_layers, config.vision_config.hidden_size) == (5, 1024)


def test_inference_needs_no_labels() -> None:
    code = _code("ViTModel", mode="inference")
    assert not code.targets
    assert code.forward == "model(pixel_values=pixel_values)"


def test_models_that_ignore_the_default_device_are_moved() -> None:
    """Deformable DETR makes its level embeddings by `torch.Tensor(...)`."""
    assert any(line.endswith(".to(device)") for line in _code("DeformableDetrForObjectDetection").model)
    assert not any(line.endswith(".to(device)") for line in _code("ViTForImageClassification").model)
