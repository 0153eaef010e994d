"""The batch that a model is trained on, by what its forward takes."""

from drystep.zoo.transformers_models.detection_labels import PHRASES, boxes_of_phrases
from drystep.zoo.transformers_models.images import flattened_patches, images
from drystep.zoo.transformers_models.labels import labels_of
from drystep.zoo.transformers_models.multimodal import image_tokens
from drystep.zoo.transformers_models.sounds import spectra, waveforms
from drystep.zoo.transformers_models.subject import Batch, Subject
from drystep.zoo.transformers_models.texts import phrase_texts, task_texts, texts

IMAGES = ("pixel_values", "pixel_values_videos")
READABLE = (*IMAGES, "flattened_patches", "input_ids", "input_values", "input_features")
"""Inputs that can be made, by their names."""


def add_inputs(subject: Subject, batch: Batch) -> None:
    """Add what a model reads. Raises `ValueError` for a model whose inputs are not known."""
    if not any(subject.takes(name) for name in READABLE):
        raise ValueError(f"the inputs of {subject.name} are not known: write its step into a file")
    if subject.takes("input_values"):
        waveforms(subject, batch)
    elif subject.takes("input_features"):
        spectra(subject, batch)
    elif subject.takes("flattened_patches"):
        flattened_patches(subject, batch)
    elif any(subject.takes(name) for name in IMAGES):
        images(subject, batch)
    if subject.takes("task_inputs"):
        task_texts(subject, batch)
    if subject.takes("input_ids"):
        _texts(subject, batch)
    if _caches(subject):
        batch.arguments["use_cache"] = "False"


def _texts(subject: Subject, batch: Batch) -> None:
    if labels_of(subject.name, subject.parameters) is boxes_of_phrases:
        phrase_texts(subject, batch, PHRASES)
    else:
        texts(subject, batch)
        if batch.images:
            image_tokens(subject, batch)


def add_labels(subject: Subject, batch: Batch) -> None:
    """Add what a model computes its loss from. Raises `ValueError` for a model whose labels are not known."""
    add = labels_of(subject.name, subject.parameters)
    if add is None:
        raise ValueError(f"the labels of {subject.name} are not known: write its step into a file")
    add(subject, batch)


def _caches(subject: Subject) -> bool:
    """Whether a model keeps keys and values for the next token unless it is told not to, as trainers tell it."""
    stated = getattr(subject.config.get_text_config(decoder=True), "use_cache", False)
    return subject.takes("use_cache") or (bool(stated) and subject.takes("kwargs") and subject.takes("past_key_values"))
