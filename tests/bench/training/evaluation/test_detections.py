import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from pycocotools import mask as judges_masks
from torch import Tensor

from bench.training.evaluation.detections import detections_json


@dataclass(frozen=True)
class Found:
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Tensor | None = None


def _found(masks: Tensor | None = None, label: int = 2) -> Found:
    boxes = torch.tensor([[1.5, 2.0, 11.5, 6.0], [0.0, 0.0, 3.0, 4.0]])
    return Found(boxes, torch.tensor([0.75, 0.25]), torch.tensor([0, label]), masks)


def test_boxes_are_corner_and_size_under_the_ids_of_the_ground_truth() -> None:
    assert detections_json(_found(), 139, [1, 13, 90]) == [
        {"image_id": 139, "category_id": 1, "bbox": [1.5, 2.0, 10.0, 4.0], "score": 0.75},
        {"image_id": 139, "category_id": 90, "bbox": [0.0, 0.0, 3.0, 4.0], "score": 0.25},
    ]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_masks_come_back_through_json_and_pycocotools() -> None:
    masks = torch.rand((2, 13, 7), generator=torch.Generator().manual_seed(0)) < 0.5
    masks[1] = False
    stored = json.loads(json.dumps(detections_json(_found(masks), "000005", [1, 2, 3])))
    for entry, mask in zip(stored, masks, strict=True):
        assert entry["segmentation"]["size"] == [13, 7]
        np.testing.assert_array_equal(judges_masks.decode(entry["segmentation"]), mask.numpy())


def test_nothing_found_is_an_empty_list() -> None:
    none = Found(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 5, 5).bool())
    assert detections_json(none, 1, [1]) == []


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_is_no_class_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 2, got {label}"):
        detections_json(_found(label=label), 1, [1, 2, 3])
