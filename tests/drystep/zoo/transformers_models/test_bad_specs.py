"""What is refused, in a sentence that says what to do instead."""

import json
from pathlib import Path
from typing import Any

import pytest

from drystep.zoo.loading import load_step
from drystep.zoo.settings import StepSettings
from drystep.zoo.spec import parse_spec

TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def _load(name: str, image_size: tuple[int, int] | None = None, **settings: Any) -> None:
    load_step(parse_spec(f"transformers:{name}"), StepSettings(**settings), image_size)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViTForImageClassifcation", "did you mean ViTForImageClassification"),
        ("vitforimageclassification", "did you mean ViTForImageClassification"),
        ("BertTokenizer", "BertTokenizer of transformers is no model"),
        ("ViTConfig", "ViTConfig of transformers is no model"),
        ("ViTPreTrainedModel", "no model of its own"),
        ("AutoModelForCausalLM", "no model: name the class of the model itself"),
        ("ViTModel", "ViTModel has no loss of its own: take ViTForImageClassification"),
        ("BertModel", "BertModel has no loss of its own: take BertForSequenceClassification"),
        ("DPTForDepthEstimation", "has no loss of its own: take DPTForSemanticSegmentation"),
        ("SamModel", "SamModel has no loss of its own: write its step into a file"),
    ],
)
def test_classes(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _load(name)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"config_values": {"num_hidden_layer": 4}},
            "unknown value of ViTConfig 'num_hidden_layer': did you mean num_hid",
        ),
        ({"config_values": {"hidden_size": "wide"}}, "ViTConfig refuses hidden_size=wide: "),
        (
            {"config_values": {"hidden_act": "loud"}},
            "ViTForImageClassification refuses its configuration: ",
        ),
        ({"config_values": {"text_config.hidden_size": 4}}, "unknown value of ViTConfig 'text_config'"),
        ({"tokens": 7}, "--tokens does not apply to ViTForImageClassification"),
        ({"objects": 7}, "--objects does not apply to ViTForImageClassification"),
        ({"frames": 7}, "--frames does not apply to ViTForImageClassification"),
    ],
)
def test_values_and_settings(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _load("ViTForImageClassification", **settings)


def test_settings_of_texts() -> None:
    with pytest.raises(ValueError, match="--image-size does not apply to BertForMaskedLM: its inputs are not images"):
        _load("BertForMaskedLM", (32, 32), config_values=TINY)
    with pytest.raises(ValueError, match="--classes does not apply to BertForMaskedLM"):
        _load("BertForMaskedLM", config_values=TINY, classes=3)
    with pytest.raises(ValueError, match="RobertaForMaskedLM has positions for 510 tokens, got 511"):
        _load("RobertaForMaskedLM", config_values=TINY, tokens=511)


def test_a_size_that_the_model_refuses() -> None:
    with pytest.raises(ValueError, match="CLIPForImageClassification refuses images of 32 x 48: unsupported operand"):
        _load("CLIPForImageClassification", (32, 48))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "as JSON: Expecting property name"),
        ("[]", "is no configuration"),
        ('{"model_type": "bert"}', "is a configuration of bert, not of vit, which ViTConfig is for"),
        ('{"hidden_size": "wide"}', "ViTConfig refuses .*: .*hidden_size"),
    ],
)
def test_files_that_do_not_parse(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    for given in (file, tmp_path):
        with pytest.raises(ValueError, match=said):
            _load("ViTForImageClassification", config=str(given))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*config.json: No such file"):
        _load("ViTForImageClassification", config=str(tmp_path))


def test_inference_needs_no_loss(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(TINY))
    _load("ViTModel", mode="inference", config=str(file), image_size=(32, 32))
