"""Labels of models that find objects: boxes, masks, and the text of those that are asked by words."""

from drystep.zoo.transformers_models.subject import Batch, Subject

DEFAULT_OBJECTS = 7
"""Objects in an image: the mean of COCO is 7.3 (Lin et al., 2014, section 5)."""
PHRASES = 2
"""Phrases that a text asks for, each a class."""


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


def boxes_of_phrases(subject: Subject, batch: Batch) -> None:
    """Add boxes whose classes are phrases of the text."""
    _objects(subject, batch, PHRASES, masks=False)


def masks(subject: Subject, batch: Batch) -> None:
    """Add labels as Mask2Former takes them: masks (objects, height, width) and classes of each image's objects."""
    number = objects_of(subject, batch)
    classes = class_count(subject, batch)
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
