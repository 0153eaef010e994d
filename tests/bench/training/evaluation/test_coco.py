import contextlib
import copy
import io
import time
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.training.evaluation.coco import METRICS, coco_accuracy
from tests.bench.training.evaluation.random_sets import random_set

KINDS = ("bbox", "segm")


def _judged(truth: dict[str, Any], detections: list[dict[str, Any]], kind: str) -> list[float]:
    """What pycocotools computes. Where masks are judged it is given no boxes, so that sizes are those of masks."""
    judged = "bbox" if kind == "bbox" else "segmentation"
    names = ("image_id", "category_id", "score", judged)
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO()
        data.dataset = copy.deepcopy(truth)
        data.createIndex()
        found = data.loadRes([{name: copy.deepcopy(one[name]) for name in names} for one in detections])
        judge = COCOeval(data, found, kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_all_twelve_numbers_are_those_of_pycocotools(seed: int) -> None:
    truth, detections = random_set(seed)
    ours = coco_accuracy(truth, detections)
    for kind in KINDS:
        expected = _judged(truth, detections, kind)
        assert 0.05 < expected[0] < 0.95
        assert [ours[f"{kind}_{name}"] for name in METRICS] == pytest.approx(expected, abs=1e-6)


def test_sizes_without_objects_are_no_numbers() -> None:
    truth, detections = random_set(0)
    small = [found for found in truth["annotations"] if found["area"] < 32**2]
    assert small
    ours = coco_accuracy({**truth, "annotations": small}, detections, ["bbox"])
    expected = _judged({**truth, "annotations": small}, detections, "bbox")
    assert [-1 if ours[f"bbox_{name}"] is None else ours[f"bbox_{name}"] for name in METRICS] == pytest.approx(expected)
    assert expected[4] == expected[5] == -1
    assert ours["bbox_APm"] is ours["bbox_APl"] is None
    assert set(ours) == {f"bbox_{name}" for name in METRICS}


def test_perfect_detections_score_one() -> None:
    truth, _ = random_set(3)
    objects = [found for found in truth["annotations"] if not found["iscrowd"]]
    data = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        data.dataset = copy.deepcopy(truth)
        data.createIndex()
    found = []
    for one in objects:
        lengths = data.annToRLE(one)
        outline = {"size": list(lengths["size"]), "counts": lengths["counts"].decode()}
        found.append(
            {**{name: one[name] for name in ("image_id", "category_id", "bbox")}, "score": 1.0}
            | {"segmentation": outline}
        )
    ours = coco_accuracy(truth, found)
    assert {ours[f"{kind}_{name}"] for kind in KINDS for name in ("AP", "AP50", "AP75", "APs", "APm")} == {1.0}


def test_without_detections_the_score_is_zero() -> None:
    truth, _ = random_set(1)
    assert {coco_accuracy(truth, [])[f"{kind}_AP"] for kind in KINDS} == {0.0}


def test_nothing_is_printed_and_what_is_given_stays(capfd: pytest.CaptureFixture[str]) -> None:
    truth, detections = random_set(2)
    before = copy.deepcopy((truth, detections))
    coco_accuracy(truth, detections)
    assert (truth, detections) == before
    assert capfd.readouterr() == ("", "")


def test_an_object_with_the_number_zero_counts() -> None:
    truth, detections = random_set(2)
    shifted = [{**found, "id": found["id"] - 1} for found in truth["annotations"]]
    assert coco_accuracy({**truth, "annotations": shifted}, detections) == coco_accuracy(truth, detections)


def test_no_object_that_counts_is_said() -> None:
    truth, detections = random_set(2)
    crowds = [{**found, "iscrowd": 1} for found in truth["annotations"]]
    for annotations in ([], crowds):
        with pytest.raises(ValueError, match="no object that counts"):
            coco_accuracy({**truth, "annotations": annotations}, detections, ["bbox"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_id": -5}, "of image -5, which the ground truth does not have"),
        ({"category_id": 2}, "of category 2, which the ground truth does not have"),
        ({"score": float("nan")}, "finite score, got .* and nan"),
        ({"bbox": [0.0, 0.0, float("inf"), 1.0]}, "must have four finite numbers"),
    ],
)
def test_detections_that_fit_no_ground_truth_are_refused(change: dict[str, Any], said: str) -> None:
    truth, detections = random_set(2)
    with pytest.raises(ValueError, match=said):
        coco_accuracy(truth, [*detections, {**detections[0], **change}])


def test_masks_cannot_be_judged_where_there_are_none() -> None:
    truth, detections = random_set(2)
    boxes = [{name: value for name, value in found.items() if name != "segmentation"} for found in detections]
    assert coco_accuracy(truth, boxes, ["bbox"]) == coco_accuracy(truth, detections, ["bbox"])
    with pytest.raises(ValueError, match=f"{len(boxes)} of {len(boxes)} detections have no mask"):
        coco_accuracy(truth, boxes)


def test_ids_of_images_that_are_words_are_refused() -> None:
    truth, detections = random_set(2)
    named = {**truth, "images": [{**image, "id": str(image["id"])} for image in truth["images"]]}
    detections = [{**found, "image_id": str(found["image_id"])} for found in detections]
    with pytest.raises(ValueError, match="must be whole numbers, got '"):
        coco_accuracy(named, detections)


def test_time_grows_with_the_number_of_images_and_no_faster() -> None:
    def seconds(images: int) -> float:
        truth, detections = random_set(0, images=images)
        started = time.process_time()
        coco_accuracy(truth, detections, ["bbox"])
        return time.process_time() - started

    seconds(20)
    assert seconds(400) < 40 * max(seconds(40), 0.02)
