import numpy as np
import pytest
import torch

from bench.training.evaluation.segmentation import MeanIoU


def _counted(classes: int, *maps: tuple[list[list[int]], list[list[int]]]) -> MeanIoU:
    counter = MeanIoU(classes)
    for prediction, labels in maps:
        counter.update(torch.tensor(prediction), torch.tensor(labels))
    return counter


def test_perfect_predictions_score_one() -> None:
    labels = torch.randint(0, 7, (40, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    counter = MeanIoU(150)
    labels[:5] = 255
    counter.update(torch.where(labels == 255, 3, labels.long()), labels)
    accuracy = counter.compute()
    assert (accuracy["mIoU"], accuracy["pixel_accuracy"]) == (1.0, 1.0)
    assert accuracy["per_class"] == [1.0] * 7 + [None] * 143


def test_two_classes_by_hand() -> None:
    """Class 0: 1 of 3 pixels; class 1: 1 of 3; class 2 has none and is left out; the pixel of 255 is not counted."""
    accuracy = _counted(3, ([[0, 0], [1, 1]], [[0, 1], [0, 1]]), ([[2, 1]], [[255, 255]])).compute()
    assert accuracy["mIoU"] == pytest.approx(1 / 3)
    assert accuracy["pixel_accuracy"] == 0.5
    assert accuracy["per_class"] == [pytest.approx(1 / 3), pytest.approx(1 / 3), None]


def test_a_class_that_is_predicted_alone_counts_as_zero() -> None:
    accuracy = _counted(4, ([[0, 3]], [[0, 0]])).compute()
    assert accuracy["per_class"] == [0.5, None, None, 0.0]
    assert accuracy["mIoU"] == 0.25


def test_pixels_are_summed_over_the_set_and_not_per_image() -> None:
    """Class 1: 3 of 4 pixels over both images; the mean of the images' own would be (1 + 0) / 2."""
    accuracy = _counted(2, ([[1, 1, 1]], [[1, 1, 1]]), ([[0]], [[1]])).compute()
    assert accuracy["per_class"] == [0.0, 0.75]


def test_random_maps_agree_with_a_count_by_numpy() -> None:
    draw, classes = np.random.default_rng(0), 11
    counter, table = MeanIoU(classes), np.zeros((classes, classes), np.int64)
    for size in ((31, 17), (8, 90), (64, 64)):
        prediction, labels = draw.integers(0, 9, size), draw.integers(0, 10, size)
        labels[draw.random(size) < 0.2] = 255
        valid = labels != 255
        table += np.bincount(labels[valid] * classes + prediction[valid], minlength=classes**2).reshape(
            classes, classes
        )
        counter.update(torch.tensor(prediction), torch.tensor(labels.astype(np.uint8)))
    both = np.diag(table)
    either = table.sum(0) + table.sum(1) - both
    accuracy = counter.compute()
    assert accuracy["mIoU"] == pytest.approx((both[either > 0] / either[either > 0]).mean(), abs=1e-12)
    assert accuracy["pixel_accuracy"] == pytest.approx(both.sum() / table.sum())
    assert accuracy["per_class"][10] is None


def test_what_cannot_be_counted_is_said() -> None:
    with pytest.raises(ValueError, match=r"size of the label map, \(1, 2\), got \(2, 1\)"):
        _counted(2, ([[0], [1]], [[0, 1]]))
    with pytest.raises(ValueError, match="labels must be between 0 and 1, got 0 to 7"):
        _counted(2, ([[0, 1]], [[0, 7]]))
    with pytest.raises(ValueError, match="predictions must be between 0 and 1, got 0 to 2"):
        _counted(2, ([[0, 2]], [[0, 1]]))
    with pytest.raises(ValueError, match="between 2 and 255, got 1"):
        MeanIoU(1)
    with pytest.raises(ValueError, match="no label map has a pixel that counts"):
        _counted(2, ([[0, 1]], [[255, 255]])).compute()
