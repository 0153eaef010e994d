"""Average precision of boxes and masks by COCO's rules."""

from collections.abc import Sequence
from typing import Any, Literal

from faster_coco_eval import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster

from bench.training.evaluation.detections import Detection, GroundTruth, require_fitting

Kind = Literal["bbox", "segm"]
METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""COCO's twelve numbers in the order in which its evaluators list them: precision over IoU .5 to .95, at .5, at .75,
and of small, medium and large objects; recall with 1, 10 and 100 detections per image, and of the three sizes."""


def coco_accuracy(
    ground_truth: GroundTruth, detections: Sequence[Detection], kinds: Sequence[Kind] = ("bbox", "segm")
) -> dict[str, float | None]:
    """Return COCO's twelve numbers per kind, each between 0 and 1, under names such as `bbox_AP` and `segm_AP50`.

    faster-coco-eval computes them. A number is None where no object has its size. As in mmdetection, the size of a
    detected mask is that of the mask and not of its box.

    Args:
        ground_truth: A COCO annotations file; neither it nor the detections are changed.
        detections: COCO's results, with `segmentation` where masks are judged.
        kinds: What is judged, boxes (`bbox`) or masks (`segm`).

    Raises:
        ValueError: There is no object that counts, a detection is of an unknown image or category, or a mask is absent.
    """
    require_fitting(ground_truth, detections)
    if not any(not annotation.get("iscrowd", 0) for annotation in ground_truth["annotations"]):
        raise ValueError("the ground truth has no object that counts, so there is no average precision")
    if "segm" in kinds and (without := [found for found in detections if "segmentation" not in found]):
        raise ValueError(f"{len(without)} of {len(detections)} detections have no mask, so masks cannot be judged")
    accuracy = {}
    for kind in kinds:
        judge = COCOeval_faster(*_data_sets(ground_truth, detections, kind), iouType=kind, print_function=_say_nothing)
        judge.run()
        for name, value in zip(METRICS, judge.stats, strict=True):
            accuracy[f"{kind}_{name}"] = None if value < 0 else float(value)
    return accuracy


def _data_sets(ground_truth: GroundTruth, detections: Sequence[Detection], kind: Kind) -> tuple[COCO, COCO]:
    """Copies of both for the evaluator, which writes into what it is given.

    Objects are numbered from 1: evaluators take an object with the number 0 for one that nothing was matched with.
    Results keep what is judged alone, because of two areas the evaluator would take the box's.
    """
    truth = COCO(
        {
            "images": [_whole_id(image, "id") for image in ground_truth["images"]],
            "categories": [dict(category) for category in ground_truth["categories"]],
            "annotations": [
                {**_whole_id(annotation, "image_id"), "id": number, "iscrowd": int(annotation.get("iscrowd", 0))}
                for number, annotation in enumerate(ground_truth["annotations"], start=1)
            ],
        },
        print_function=_say_nothing,
    )
    judged, other = ("bbox", "segmentation") if kind == "bbox" else ("segmentation", "bbox")
    results = [
        {name: value for name, value in _whole_id(found, "image_id").items() if name != other}
        for found in detections
        if judged in found
    ]
    return truth, truth.loadRes(results)


def _whole_id(entry: Detection, name: str) -> dict[str, Any]:
    """A copy of an entry. Raises `ValueError` for an id that is not a whole number, which the evaluator needs."""
    if not isinstance(entry[name], int):
        raise ValueError(f"COCO's image ids must be whole numbers, got {entry[name]!r}")
    return dict(entry)


def _say_nothing(*_: object) -> None:
    """Stands for the evaluator's prints."""
