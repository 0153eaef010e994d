"""Recipes: how each task is trained, after the authors' released configurations; and for made-up data sets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.cases.tasks import WORKLOADS
from bench.training.data.data_set import DataSet
from bench.training.data.image_settings import IMAGE_SETTINGS, MADE_IMAGE_SETTINGS, ImageSettings
from bench.training.schedule import Schedule
from drystep.bounds import shown


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides how a model of a task is trained, but for the model and the precision.

    Unless a field says otherwise, its values are those of the configurations that the paper's authors released for the
    method that E3VA is compared with (github.com/Leiyi-Hu/mona), which follow mmdetection and mmsegmentation.
    """

    name: str
    """"authors" for real data sets, or "made-up"."""
    images_per_gpu: int
    """Images of one forward pass. The paper has 2 (section 4.1); the released configurations have 1 or 2."""
    total_batch: int
    """Images of one step of the optimizer, over all GPUs and passes. The paper leaves it open. 16 stands in the name of
    a released configuration, and is what mmdetection and mmsegmentation assume for these learning rates."""
    learning_rate: float
    """Rate of AdamW before its schedule."""
    weight_decay: float
    """Decay of AdamW; layer norms and position biases have none."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Betas of AdamW."""
    epochs: float | None = None
    """Passes over the data; None where `steps` says how long the training is."""
    steps: int | None = None
    """Steps of the optimizer; None where `epochs` says how long the training is."""
    schedule: Schedule
    """How the rate changes."""
    clip_norm: float | None = None
    """Largest norm of all gradients together; None to clip nothing, as in the released configurations."""
    drop_path: float
    """Rate of stochastic depth in the last block."""
    head: Mapping[str, int] = field(default_factory=dict)
    """Widths of neck and heads; empty for the detector's own."""
    images: ImageSettings
    """Sizes and augmentation of images."""

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a recipe needs epochs or steps, and not both")
        for name in ("images_per_gpu", "total_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name.replace('_', ' ')} must be at least 1, got {getattr(self, name)}")
        for name in ("epochs", "steps", "learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name.replace('_', ' ')} must be above 0, got {shown(value)}")

    def passes(self, ranks: int) -> int:
        """Forward passes of one process in a step. Raises `ValueError` where the total batch is no multiple of them."""
        at_once = self.images_per_gpu * ranks
        if self.total_batch % at_once:
            raise ValueError(
                f"a total batch of {self.total_batch} is no multiple of {self.images_per_gpu} images per GPU on "
                f"{ranks} GPU(s): choose --total-batch {at_once * max(1, round(self.total_batch / at_once))}"
            )
        return self.total_batch // at_once

    def steps_for(self, images: int) -> int:
        """Steps of a training on a data set of so many images."""
        return self.steps if self.steps is not None else max(1, round((self.epochs or 0) * images / self.total_batch))

    def changed(self, **fields: Any) -> "Recipe":
        """Return this recipe with those fields changed that are not None; steps and epochs replace each other."""
        given = {name: value for name, value in fields.items() if value is not None}
        if given.keys() & {"epochs", "steps"}:
            given = {"epochs": None, "steps": None} | given
        return replace(self, **given)


def _authors(task: str, schedule: Schedule, **length: float) -> Recipe:
    workload = WORKLOADS[task]
    return Recipe(
        name="authors",
        images_per_gpu=2,
        total_batch=16,
        learning_rate=workload.learning_rate,
        weight_decay=workload.weight_decay,
        schedule=schedule,
        drop_path=workload.drop_path,
        images=IMAGE_SETTINGS[task],
        **length,  # type: ignore[arg-type]  # epochs or steps
    )


RECIPES: Mapping[str, Recipe] = {
    # 4 epochs of a data set that is repeated 3 times; the rate falls after the third.
    "voc": _authors("voc", Schedule(kind="step", milestones=(3 / 4,)), epochs=12),
    "coco": _authors(
        "coco", Schedule(kind="step", milestones=(27 / 36, 33 / 36), warm_up_steps=500, warm_up_ratio=0.001), epochs=36
    ),
    "ade20k": _authors("ade20k", Schedule(kind="poly", warm_up_steps=1500, warm_up_ratio=1e-6), steps=160_000),
}
"""Task -> recipe for its real data set."""


def _made_up(task: str, total_batch: int, learning_rate: float, epochs: float, **head: int) -> Recipe:
    """A recipe of our own numbers, chosen so that a small Swin learns such a set in three minutes on two cores."""
    return Recipe(
        name="made-up",
        images_per_gpu=total_batch,
        total_batch=total_batch,
        learning_rate=learning_rate,
        weight_decay=WORKLOADS[task].weight_decay,
        epochs=epochs,
        schedule=Schedule(kind="step", milestones=(0.8,), warm_up_steps=20, warm_up_ratio=0.1),
        clip_norm=10.0,
        drop_path=0.0,
        head=head,
        images=MADE_IMAGE_SETTINGS[task],
    )


MADE_RECIPES: Mapping[str, Recipe] = {
    "voc": _made_up("voc", 8, 1e-3, 6, channels=64, tower_length=2),
    "coco": _made_up("coco", 2, 1e-3, 1.75, channels=32, fc_channels=128, rois_per_image=48),
    "ade20k": _made_up("ade20k", 8, 1e-3, 4.9, channels=64, auxiliary_channels=32),
}
"""Task -> recipe for made-up data sets of the size that `bench make-data` writes by default: minutes on two cores."""


def recipe_for(data: DataSet) -> Recipe:
    """The recipe for a data set: the authors' for a real one, a short one for a made-up one."""
    return (MADE_RECIPES if data.made_up else RECIPES)[data.task]
