import torch

from bench.detectors.inference.detections import MOST_DETECTIONS, Detections, best_of_each_class


def test_a_box_is_dropped_for_a_better_one_of_its_class_alone() -> None:
    box = torch.tensor([0.0, 0.0, 10.0, 10.0])
    right = torch.tensor([1.0, 0.0, 1.0, 0.0])
    # IoU of boxes of width 10 that are s apart: (10 - s) / (10 + s), which is 0.54 for 3 and 0.43 for 4.
    boxes = torch.stack([box, box + 3 * right, box + 4 * right, box])
    found = best_of_each_class(boxes, torch.tensor([0.7, 0.9, 0.6, 0.8]), torch.tensor([2, 2, 2, 0]))
    assert found.scores.tolist() == torch.tensor([0.9, 0.8]).tolist()
    assert found.labels.tolist() == [2, 0]
    torch.testing.assert_close(found.boxes, boxes[[1, 3]])
    apart = best_of_each_class(boxes[[0, 2]], torch.tensor([0.7, 0.6]), torch.tensor([2, 2]))
    assert len(apart.boxes) == 2


def test_only_the_best_are_kept() -> None:
    corner = torch.arange(150.0)[:, None] * 20
    scores = torch.rand(150)
    found = best_of_each_class(torch.cat([corner, corner, corner + 5, corner + 5], 1), scores, torch.arange(150) % 3)
    torch.testing.assert_close(found.scores, scores.sort(descending=True).values[:MOST_DETECTIONS])


def test_nothing_found_is_no_detection() -> None:
    found = best_of_each_class(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64))
    assert found.boxes.shape == (0, 4)


def test_boxes_are_scaled_by_height_and_width() -> None:
    found = Detections(torch.tensor([[10.0, 20.0, 30.0, 40.0]]), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    assert found.scaled((100, 200), (50, 600)).boxes.tolist() == [[30.0, 10.0, 90.0, 20.0]]
