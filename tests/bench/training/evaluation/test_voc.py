import contextlib
import copy
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.training.evaluation.voc import voc_accuracy
from tests.bench.training.evaluation.random_sets import random_set

SQUARE = [10.0, 10.0, 20.0, 20.0]
FAR = [100.0, 100.0, 20.0, 20.0]


def _truth(*objects: list[float], difficult: tuple[int, ...] = (), classes: int = 1) -> dict[str, Any]:
    return {
        "images": [{"id": "000005", "height": 200, "width": 200}, {"id": "000007", "height": 200, "width": 200}],
        "categories": [{"id": number + 1, "name": f"class {number}"} for number in range(classes)],
        "annotations": [
            {"id": number, "image_id": "000005", "category_id": 1, "bbox": box, "difficult": int(number in difficult)}
            for number, box in enumerate(objects)
        ],
    }


def _found(*scored: tuple[float, list[float]], image: str = "000005") -> list[dict[str, Any]]:
    return [{"image_id": image, "category_id": 1, "bbox": box, "score": score} for score, box in scored]


def _both(truth: dict[str, Any], found: list[dict[str, Any]]) -> tuple[float, float]:
    accuracy = voc_accuracy(truth, found)
    return accuracy["AP50"], accuracy["AP50_area"]


def test_perfect_detections_score_one() -> None:
    assert _both(_truth(SQUARE, FAR), _found((0.9, SQUARE), (0.4, FAR))) == (1.0, 1.0)


def test_no_detection_scores_zero() -> None:
    assert _both(_truth(SQUARE), []) == (0.0, 0.0)


def test_a_false_one_before_the_true_one_halves_the_precision() -> None:
    found = _found((0.9, [150.0, 10.0, 20.0, 20.0]), (0.8, SQUARE))
    assert _both(_truth(SQUARE), found) == (0.5, 0.5)


def test_precision_is_the_best_at_that_recall_or_above() -> None:
    """Precision 1/2 at recall 1/2, but 2/3 at recall 1."""
    found = _found((0.9, [150.0, 10.0, 20.0, 20.0]), (0.8, SQUARE), (0.7, FAR))
    assert _both(_truth(SQUARE, FAR), found) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_half_of_the_objects_reach_six_of_eleven_points() -> None:
    """Recall .5 reaches the points 0 to .5."""
    assert _both(_truth(SQUARE, FAR), _found((0.9, SQUARE))) == (pytest.approx(6 / 11), 0.5)


def test_three_of_ten_objects_reach_the_third_point() -> None:
    """.1 x 3 is greater than 3 / 10 where numbers are rounded."""
    boxes = [[20.0 * number, 0.0, 10.0, 10.0] for number in range(10)]
    found = _found(*((0.9, box) for box in boxes[:3]))
    assert _both(_truth(*boxes), found) == (pytest.approx(4 / 11), pytest.approx(0.3))


def test_the_second_detection_of_an_object_is_false() -> None:
    """Recall 1/2 at precision 1, recall 1 at precision 2/3."""
    found = _found((0.9, SQUARE), (0.8, SQUARE), (0.7, FAR))
    assert _both(_truth(SQUARE, FAR), found) == (pytest.approx((6 + 5 * 2 / 3) / 11), pytest.approx(0.5 + 0.5 * 2 / 3))


def test_a_detection_is_judged_against_what_it_overlaps_most() -> None:
    """It is false where that object is taken, although another one, which it overlaps by more than half, is free."""
    beside = [10.0, 10.0, 20.0, 26.0]
    found = _found((0.9, SQUARE), (0.8, [10.0, 10.0, 20.0, 21.0]))
    assert _both(_truth(SQUARE, beside), found) == (pytest.approx(6 / 11), 0.5)


@pytest.mark.parametrize(("width", "score"), [(10.0, 1.0), (9.99, 0.0)])
def test_half_an_overlap_is_enough(width: float, score: float) -> None:
    """And no pixel is added to a width: with one, 9.99 x 20 in 20 x 20 would be enough."""
    assert _both(_truth(SQUARE), _found((0.9, [10.0, 10.0, width, 20.0]))) == (score, score)


def test_difficult_objects_neither_count_nor_harm() -> None:
    truth = _truth(SQUARE, FAR, difficult=(1,))
    assert _both(truth, _found((0.9, FAR), (0.8, FAR), (0.7, SQUARE))) == (1.0, 1.0)
    assert _both(truth, _found((0.7, SQUARE))) == (1.0, 1.0)
    assert _both(truth, _found((0.9, FAR))) == (0.0, 0.0)


def test_detections_in_an_image_without_objects_are_false() -> None:
    found = _found((0.9, SQUARE), image="000007") + _found((0.8, SQUARE))
    assert _both(_truth(SQUARE), found) == (0.5, 0.5)


def test_classes_without_objects_are_left_out() -> None:
    truth = _truth(SQUARE, classes=2)
    other = [{**one, "category_id": 2} for one in _found((0.9, FAR))]
    accuracy = voc_accuracy(truth, _found((0.9, SQUARE)) + other)
    assert accuracy["AP50"] == 1.0
    assert accuracy["per_class"] == {"class 0": {"AP50": 1.0, "AP50_area": 1.0}, "class 1": None}


def test_no_object_that_counts_is_said() -> None:
    for truth in (_truth(), _truth(SQUARE, difficult=(0,))):
        with pytest.raises(ValueError, match="no object that counts"):
            voc_accuracy(truth, _found((0.9, SQUARE)))


def test_unknown_images_and_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="detection 1 is of image '9', which the ground truth does not have"):
        voc_accuracy(_truth(SQUARE), _found((0.9, SQUARE), image="9"))
    with pytest.raises(ValueError, match="of category 2"):
        voc_accuracy(_truth(SQUARE), [{**one, "category_id": 2} for one in _found((0.9, SQUARE))])


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    voc_accuracy(_truth(SQUARE), _found((0.9, SQUARE)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", range(4))
def test_where_no_object_is_claimed_twice_it_is_cocos_rule_at_eleven_points(seed: int) -> None:
    """COCO's evaluator gives a detection the best object that is free, which then is the one it overlaps most."""
    truth, detections = _without_rivals(*random_set(seed, images=30, crowds=False))
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO()
        data.dataset = copy.deepcopy(truth)
        data.createIndex()
        judge = COCOeval(data, data.loadRes(copy.deepcopy(detections)), "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.params.recThrs = np.arange(11) / 10 - 1e-9  # .1 x 3 is not .3
        judge.params.maxDets = [1000]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, 0]  # (points, classes)
    expected = precision[precision > -1].mean()
    assert 0.1 < expected < 0.95
    assert voc_accuracy(truth, detections)["AP50"] == pytest.approx(expected, abs=1e-9)


def _without_rivals(
    truth: dict[str, Any], detections: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Objects of one class that do not overlap, and one detection at most that overlaps each."""
    objects: list[dict[str, Any]] = []
    for candidate in truth["annotations"]:
        if not any(_overlap(candidate, other) for other in objects):
            objects.append(candidate)
    found: list[dict[str, Any]] = []
    claimed: set[int] = set()
    for candidate in sorted(detections, key=lambda one: -one["score"]):
        claims = {one["id"] for one in objects if _overlap(candidate, one)}
        if not claims & claimed:
            claimed |= claims
            found.append(candidate)
    return {**truth, "annotations": objects}, found


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if (one["image_id"], one["category_id"]) != (other["image_id"], other["category_id"]):
        return False
    (x, y, w, h), (left, top, width, height) = one["bbox"], other["bbox"]
    return x < left + width and left < x + w and y < top + height and top < y + h
