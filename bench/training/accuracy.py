"""Accuracy of a run: its newest checkpoint on the validation images, judged by the data set's own rules."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.results.provenance import describe_commit, describe_cpu, installed_versions
from bench.training.checkpoints import load_checkpoint, newest_checkpoint
from bench.training.data.data_set import DataSet
from bench.training.data.loading import EvaluationImage, EvaluationImages
from bench.training.evaluation.coco import coco_accuracy
from bench.training.evaluation.detections import detections_json
from bench.training.evaluation.voc import voc_accuracy
from bench.training.names import ACCURACY_FILE, CHECKPOINTS, DETECTIONS_FILE, SUMMARY_FILE
from bench.training.run import Run, load_frozen, write_json

Seen = Callable[[int], object]
"""Hears how many images are done."""


def trained_model(folder: Path, run: Run, device: torch.device, say: Callable[[str], object]) -> tuple[nn.Module, int]:
    """The model of a run with what it learned, for evaluation, and the steps that it was trained for.

    Raises `ValueError` where there is no whole checkpoint, or where it does not belong to the run.
    """
    checkpoint = newest_checkpoint(folder / CHECKPOINTS, say)
    if checkpoint is None:
        raise ValueError(f"{folder} has no whole checkpoint in {CHECKPOINTS}, which `bench train` writes")
    model = run.build(torch.device("cpu"))
    load_frozen(folder, run, model)
    load_checkpoint(model, checkpoint, folder)
    return model.to(device).eval(), checkpoint.step


def evaluate(
    folder: Path, run: Run, data: DataSet, device: torch.device, workers: int, seen: Seen, say: Callable[[str], object]
) -> dict[str, Any]:
    """Evaluate a run on a data set, write `accuracy.json` (and `detections.json`), and return the former.

    Raises `ValueError` for a run without a checkpoint, and `OutputError` for files that cannot be written.
    """
    model, steps = trained_model(folder, run, device, say)
    images = EvaluationImages(data, run.recipe.images, workers)
    if data.task == "ade20k":
        metrics = _of_label_maps(model, images, len(data.classes), device, seen)
    else:
        metrics, detections = _of_detections(model, images, data, device, seen)
        write_json(folder / DETECTIONS_FILE, detections)
    found = {
        **{name: getattr(run.case, name) for name in ("task", "method", "backbone", "window", "precision", "seed")},
        "pretrained": Path(run.pretrained).name,  # a report names no folder of this machine
        "made_up": data.made_up,
        "recipe": run.fields()["recipe"],
        "steps": steps,
        "of_steps": run.steps,
        "images": {"train": run.images, "val": len(images)},
        "metrics": metrics,
        **_cost(folder),
        "data": data.folder.name,
        "environment": {**installed_versions(), "device": _device(device), **describe_commit()},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(folder / ACCURACY_FILE, found)
    return found


@torch.no_grad()
def _of_detections(
    model: nn.Module, images: EvaluationImages, data: DataSet, device: torch.device, seen: Seen
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    detections: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        (found,) = _predict(model, image, device)
        detections += detections_json(found, data.entries[image.index].image_id, data.category_ids)
        seen(number)
    truth = data.ground_truth()
    return (voc_accuracy if data.task == "voc" else coco_accuracy)(truth, detections), detections


@torch.no_grad()
def _of_label_maps(
    model: nn.Module, images: EvaluationImages, classes: int, device: torch.device, seen: Seen
) -> dict[str, Any]:
    from bench.training.evaluation.segmentation import MeanIoU  # torchmetrics takes seconds to import

    counts = MeanIoU(classes)
    for number, image in enumerate(images, start=1):
        (logits,) = _predict(model, image, device)
        assert image.label_map is not None
        counts.update(logits.argmax(0), image.label_map)
        seen(number)
    return counts.compute()


def _predict(model: Any, image: EvaluationImage, device: torch.device) -> Any:
    return model.predict(image.image.to(device), [image.size], [image.original_size])


def _cost(folder: Path) -> dict[str, Any]:
    """Memory and time of the training, measured and simulated; None for what is not known."""
    try:
        cost: Mapping[str, Any] = json.loads((folder / SUMMARY_FILE).read_bytes())
    except (OSError, json.JSONDecodeError):
        cost = {}
    return {
        "device": cost.get("device"),
        "memory": {
            "measured_bytes": cost.get("peak_reserved_bytes"),
            "simulated_bytes": cost.get("simulated_reserved_bytes"),
        },
        "time": {
            "measured_step_ms": cost.get("measured_step_ms"),
            "predicted_step_ms": cost.get("predicted_step_ms"),
        },
    }


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else describe_cpu()
