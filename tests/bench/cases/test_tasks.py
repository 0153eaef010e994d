import pytest
import torch

from bench.cases.random_batch import random_batch
from bench.cases.tasks import WORKLOADS
from bench.detectors.targets import DetectionTargets

CPU = torch.device("cpu")


@pytest.mark.parametrize("task", ["voc", "coco"])
def test_objects_are_inside_the_image_and_masks_fill_their_boxes(task: str) -> None:
    images, targets = random_batch(WORKLOADS[task], 2, (64, 96), 5, CPU)
    assert images.shape == (2, 3, 64, 96)
    assert isinstance(targets, DetectionTargets)
    assert targets.boxes.shape == (2, 5, 4)
    x1, y1, x2, y2 = targets.boxes.unbind(-1)
    assert (x1 >= 0).all() and (y1 >= 0).all() and (x2 <= 96).all() and (y2 <= 64).all()
    assert ((x2 > x1) & (y2 > y1)).all()
    assert targets.labels.min() >= 0 and targets.labels.max() < WORKLOADS[task].num_classes
    if task == "voc":
        assert targets.masks is None
    else:
        assert targets.masks.dtype == torch.uint8
        area = ((x2 - x1) * (y2 - y1)).flatten()
        torch.testing.assert_close(targets.masks.sum((2, 3)).flatten().float(), area, rtol=0.3, atol=10)


def test_segmentation_labels() -> None:
    _, labels = random_batch(WORKLOADS["ade20k"], 2, (64, 96), 0, CPU)
    assert labels.shape == (2, 64, 96)
    assert labels.dtype == torch.int64


def test_detectors_take_the_backbone_outputs_of_their_workload() -> None:
    assert {name: workload.out_stages for name, workload in WORKLOADS.items()} == {
        "voc": (1, 2, 3),
        "ade20k": (0, 1, 2, 3),
        "coco": (0, 1, 2, 3),
    }
