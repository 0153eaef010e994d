"""The code of a model of transformers: its class with a configuration, trained with its own loss."""

from typing import Any

import torch
from torch import nn

from drystep.zoo.model_code import ModelCode
from drystep.zoo.refusals import said
from drystep.zoo.settings import StepSettings
from drystep.zoo.transformers_models.classes import model_class, parameters_of, require_loss
from drystep.zoo.transformers_models.configuration import Code, Configuration, configuration
from drystep.zoo.transformers_models.heads import heads_of
from drystep.zoo.transformers_models.images import FRAMES, default_size, size_multiple, size_paths, value_at
from drystep.zoo.transformers_models.inputs import IMAGES, add_inputs, add_labels
from drystep.zoo.transformers_models.labels import NEW_HEADS, labels_of
from drystep.zoo.transformers_models.subject import Batch, Subject

DEPENDENT = frozenset({"classes", "objects", "tokens", "frames"})
"""Settings that suit some models and not others."""
LAYER_DROPS = ("layerdrop", "encoder_layerdrop", "decoder_layerdrop")
"""Names that configurations have for the chance of a layer to be skipped in a step."""


def transformers_model(name: str, settings: StepSettings, image_size: tuple[int, int] | None) -> ModelCode:
    """The code of a model of transformers by its class, for images of a size, or of its own; weights are not loaded.

    transformers logs errors alone from then on. Raises `ValueError` for a name that transformers lacks, a class
    without a loss (unless it runs inference), a configuration that does not parse, values and image sizes that the
    model refuses, and settings that it does not have.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    kind = model_class(name)
    if settings.mode == "train":
        require_loss(kind)
    parameters = parameters_of(kind)
    base = configuration(kind.config_class, settings.config, settings.config_values, settings.config_values).value
    size = _image_size(name, parameters, base, image_size)
    config, example = _built(kind, parameters, base, settings, size, image_size)
    subject = Subject(name, config.value, example, parameters, settings, size)
    batch = Batch()
    add_inputs(subject, batch)
    inputs = len(batch.lines)
    if settings.mode == "train":
        add_labels(subject, batch)
    settings.refuse(DEPENDENT - batch.suited - ({"classes"} if settings.mode == "inference" else set()), name)
    call = ", ".join(f"{parameter}={expression}" for parameter, expression in batch.arguments.items())
    return ModelCode(
        imports=(
            f"from transformers import {', '.join(sorted((kind.config_class.__name__, name)))}",
            *(("import json",) if config.reads_json else ()),
        ),
        model=(*config.lines, f"model = {name}(config)" + (".to(device)" if _ignores_default_device(example) else "")),
        data=tuple(batch.lines[:inputs]),
        targets=tuple(batch.lines[inputs:]),
        forward=f"model({call})",
        loss=(f"loss = model({call}).loss",),
        example=example,
        heads=heads_of(example, name, parameters),
        image_size=size,
        image_multiple=size_multiple(config.value) if size else 32,
        checkpointing=(f"model.{_checkpointing(kind)}()",) if kind.supports_gradient_checkpointing else (),
        channels_last_inputs=tuple(batch.images),
        remarks=tuple(batch.remarks),
    )


def _image_size(
    name: str, parameters: tuple[str, ...], base: Any, given: tuple[int, int] | None
) -> tuple[int, int] | None:
    if not any(parameter in parameters for parameter in IMAGES):
        if given:
            raise ValueError(f"--image-size does not apply to {name}: its inputs are not images")
        return None
    return given or default_size(base, "Classification" in name, "image_grid_thw" in parameters)


def _built(
    kind: type[Any], parameters: tuple[str, ...], base: Any, settings: StepSettings,
    size: tuple[int, int] | None, given: tuple[int, int] | None,
) -> tuple[Configuration, nn.Module]:  # fmt: skip
    """The configuration and the model without data. Raises `ValueError` for what the model refuses."""
    replaced = _replaced(kind, parameters, base, settings, size)
    config = configuration(kind.config_class, settings.config, replaced, set(settings.config_values))
    try:
        with torch.device("meta"):
            return config, kind(config.value)
    except Exception as error:  # models refuse configurations in their own ways
        what = f"images of {given[0]} x {given[1]}" if given else "its configuration"
        raise ValueError(f"{kind.__name__} refuses {what}: {said(error)}") from error


def _replaced(
    kind: type[Any], parameters: tuple[str, ...], base: Any, settings: StepSettings, size: tuple[int, int] | None
) -> dict[str, Any]:
    """Values of the configuration that the step sets."""
    name = kind.__name__
    values: dict[str, Any] = dict(settings.config_values)
    if settings.classes is not None and labels_of(name, parameters) in NEW_HEADS:
        values["num_labels"] = settings.classes
    if settings.frames is not None:
        values.update({frames: settings.frames for frames in FRAMES if hasattr(base, frames)})
    if size is not None:
        for path in size_paths(base):
            if path not in values:
                one = isinstance(value_at(base, path), int) and size[0] == size[1]
                values[path] = Code("image_size[0]", size[0]) if one else Code("image_size", size)
    for key, value in _completed(kind, parameters, base, settings.mode == "train").items():
        values.setdefault(key, value)
    if settings.fused_attention == "off":
        values["attn_implementation"] = "eager"
    return values


def _completed(kind: type[Any], parameters: tuple[str, ...], base: Any, trained: bool) -> dict[str, Any]:
    """Values that a configuration's defaults leave open, as checkpoints have them, and that training needs."""
    values: dict[str, Any] = {}
    name = kind.__name__
    padding = getattr(base, "pad_token_id", None)
    seq2seq = "labels" in parameters and "decoder_input_ids" in parameters
    if padding is None and (seq2seq or name.endswith("ForSequenceClassification")):
        end = getattr(base, "eos_token_id", None)
        values["pad_token_id"] = end if isinstance(end, int) else 0
    if seq2seq and getattr(base, "decoder_start_token_id", None) is None:
        values["decoder_start_token_id"] = padding or 0
    if getattr(base, "image_token_index", 0) is None:
        values["image_token_index"] = base.get_text_config().vocab_size - 1
    vision = getattr(base, "vision_config", None)
    width = "out_hidden_size" if hasattr(vision, "out_hidden_size") else "hidden_size"
    states_width = "image_grid_thw" in parameters and (width == "out_hidden_size" or hasattr(vision, "embed_dim"))
    if states_width and getattr(vision, width) != base.get_text_config().hidden_size:  # defaults contradict each other
        values[f"vision_config.{width}"] = base.get_text_config().hidden_size
    if name.endswith("ForMaskedImageModeling") and hasattr(base, "use_mask_token"):
        values["use_mask_token"] = True
    if trained and hasattr(base, "is_training"):  # OneFormer reads its texts only then
        values["is_training"] = True
    if trained:  # the most memory is that of a step in which no layer is skipped
        values |= {drop: 0.0 for drop in LAYER_DROPS if getattr(base, drop, 0)}
    return values


def _checkpointing(kind: type[Any]) -> str:
    """The method that turns checkpointing on, whose name changed in transformers 5."""
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    return next(name for name in names if hasattr(kind, name))


def _ignores_default_device(example: nn.Module) -> bool:
    """Whether a model makes parameters in the old way, `torch.Tensor(sizes)`, which makes them on the CPU."""
    return any(not tensor.is_meta for tensor in (*example.parameters(), *example.buffers()))
