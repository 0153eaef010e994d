"""Labels of models that find objects: boxes, masks, and the text of those that are asked by words."""

from drystep.zoo.transformers_models.subject import Batch, Subject

DEFAULT_OBJECTS = 7
"""Objects in an image: the mean of COCO is 7.3 (Lin et al., 2014, section 5)."""
PHRASES = 2
"""Phrases that a text asks for."""


def objects_of(subject: Subject, batch: Batch) -> int:
    """Objects in each image."""
    batch.suited.add("objects")
    return subject.settings.objects or DEFAULT_OBJECTS


def boxes(subject: Subject, batch: Batch) -> None:
    """Add labels as DETR takes them: classes and boxes (centre, size; parts of the image) of each image's objects."""
    _objects(subject, batch, class_count(subject, batch), masks=False)


def boxes_and_masks(subject: Subject, batch: Batch) -> None:
    """Add labels as DETR takes them for instances: classes, boxes and masks (objects, height, width)."""
    _objects(subject, batch, class_count(subject, batch), masks=True)


def phrases(subject: Subject, batch: Batch) -> None:
    """Add boxes whose classes are phrases of the text, and a text of phrases that end in full stops.

    The ids are those of BERT: [CLS], words, full stops and [SEP].
    """
    ids = [101, *(token for number in range(PHRASES) for token in (2000 + number, 1012)), 102]
    batch.lines[:] = [line for line in batch.lines if not line.startswith(("input_ids", "attention_mask"))]
    batch.suited.discard("tokens")
    batch.add("input_ids", f"torch.tensor([{ids}] * batch_size, device=device)")
    batch.add("attention_mask", "torch.ones_like(input_ids)")
    _objects(subject, batch, PHRASES, masks=False)


def masks(subject: Subject, batch: Batch) -> None:
    """Add labels as Mask2Former takes them: masks (objects, height, width) and classes of each image's objects."""
    number = objects_of(subject, batch)
    classes = class_count(subject, batch)
    if subject.takes("task_inputs"):
        _task_texts(subject, batch)
    batch.add(
        "mask_labels",
        f"[torch.randint(2, ({number}, *image_size), device=device).float() for _ in range(batch_size)]",
    )
    batch.add("class_labels", f"[torch.randint({classes}, ({number},), device=device) for _ in range(batch_size)]")


def class_count(subject: Subject, batch: Batch) -> int:
    """Classes of the head."""
    batch.suited.add("classes")
    return int(subject.config.num_labels)


def _objects(subject: Subject, batch: Batch, classes: int, masks: bool) -> None:
    number = objects_of(subject, batch)
    parts = [
        f'"class_labels": torch.randint({classes}, ({number},), device=device),',
        f'"boxes": torch.rand({number}, 4, device=device) * 0.4 + 0.2,',
    ]
    if masks:
        parts.append(f'"masks": torch.randint(2, ({number}, *image_size), device=device).float(),')
    batch.lines += [
        "labels = [",
        "    {",
        *(f"        {part}" for part in parts),
        "    }",
        "    for _ in range(batch_size)",
        "]",
    ]
    batch.arguments["labels"] = "labels"


def _task_texts(subject: Subject, batch: Batch) -> None:
    """Add the texts of OneFormer: one that names the task, and one for each query that no learned context takes."""
    config = subject.config
    texts = config.num_queries - config.text_encoder_n_ctx
    words = config.text_encoder_vocab_size
    batch.add("task_inputs", f"torch.randint({words}, (batch_size, {config.task_seq_len}), device=device)")
    shape = f"(batch_size, {texts}, {config.max_seq_len})"
    batch.add("text_inputs", f"torch.randint({words}, {shape}, device=device)")
