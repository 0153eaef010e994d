"""Published peaks of the suite's own models, simulated.

These are UPerNet with Swin as mmsegmentation measured it, and RetinaNet with ResNets as mmdetection measured it.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from bench.cases.case import Case
from bench.cases.source_images import SOURCE_IMAGES
from bench.cases.tasks import WORKLOADS
from bench.cases.training_step import prepare
from bench.detectors.resnet import ResNetBackbone
from bench.detectors.retinanet import RetinaNet
from bench.detectors.targets import DetectionTargets
from drystep.cuda.meta_cache import META
from drystep.memory.replay import replay
from drystep.simulator import trace_steps
from drystep.trace.recorder import BuildStep
from drystep.units import GIB
from drystep.validation.check import Check
from drystep.validation.memtracker import TrackedCase
from reports.records import retinanet_peaks, upernet_peaks

Row = dict[str, Any]

PUBLISHED_PROFILE = "mm-2021"
"""The rules under which both were measured. Both trained in single precision."""
FULLEST_IMAGE = SOURCE_IMAGES["coco"].most_objects
"""Objects of each image of the RetinaNets' batches.

A published figure is the largest of a training, and mmdetection compares all anchors with all objects of an image at
once, so that it is the fullest image of COCO that decides.
"""


def check_published() -> Iterator[Check]:
    """Simulate UPerNet with Swin as mmsegmentation published it, and RetinaNet with ResNets as mmdetection did."""
    for row in upernet_peaks():
        name = f"UPerNet {row['backbone']} window {row['window']}"
        yield _check(name, "mmsegmentation", partial(_upernet, row), row["memory_gib"])
    for row in retinanet_peaks():
        name = f"RetinaNet {row['backbone']} {row['style']}"
        yield _check(name, "mmdetection", partial(_retinanet, row), row["memory_gib"])


def _upernet(row: Row) -> BuildStep:
    case = Case(
        task="ade20k", method="full", backbone=row["backbone"], window=row["window"], batch_size=row["batch_size"],
        image_size=(row["height"], row["width"]), engine="simulate",
    )  # fmt: skip
    return prepare(case, META).build_step


def _retinanet(row: Row) -> BuildStep:
    """Prepare the training of mmdetection's schedule: SGD with momentum, all objects of an image matched at once."""
    batch, image_size = row["batch_size"], (row["height"], row["width"])

    def build_step(device: torch.device) -> Callable[[], None]:
        with device:
            backbone = ResNetBackbone(row["backbone"], caffe=row["style"] == "caffe")
            model = RetinaNet(backbone, WORKLOADS["coco"].num_classes, objects_at_once=FULLEST_IMAGE)
            images = torch.empty(batch, 3, *image_size)
            boxes, labels = torch.empty(batch, FULLEST_IMAGE, 4), torch.empty(batch, FULLEST_IMAGE, dtype=torch.int64)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, weight_decay=1e-4)

        def step() -> None:
            optimizer.zero_grad()
            losses = model(images, DetectionTargets(boxes, labels))
            torch.stack(list(losses.values())).sum().backward()
            optimizer.step()

        return step

    return build_step


def _check(name: str, group: str, prepared: Callable[[], BuildStep], published_gib: float) -> Check:
    start = time.perf_counter()
    peak_bytes = replay(trace_steps(prepared(), META, PUBLISHED_PROFILE)).peak_allocated_bytes
    return Check(
        id=name,
        group=group,
        quantity="allocated",
        predicted_bytes=peak_bytes,
        lean_bytes=peak_bytes,
        measured_bytes=round(published_gib * GIB),
        predicted_oom=False,
        measured_oom=None,
        capped_right=0,
        capped_runs=0,
        seconds=time.perf_counter() - start,
    )


def detection_cases() -> list[TrackedCase]:
    """Full on Swin-L detectors, for PyTorch's MemTracker beside the simulation."""
    cases = [Case(task=task, method="full", backbone="swin_large", engine="simulate") for task in ("voc", "coco")]
    return [(case.title, lambda case=case: prepare(case, META).build_step) for case in cases]  # type: ignore[misc]
