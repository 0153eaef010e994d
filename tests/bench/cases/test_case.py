from dataclasses import FrozenInstanceError

import pytest

from bench import Case
from drystep.cuda.rules import Rules


@pytest.mark.parametrize(
    ("task", "backbone", "image_size", "gt_boxes", "rois"),
    [
        ("voc", "swin_large", (608, 1024), 8, 0),
        ("ade20k", "swin_large", (512, 512), 0, 0),
        ("coco", "swin_base", (800, 1344), 20, 512),
    ],
)
def test_the_task_fills_in_its_own_values(
    task: str, backbone: str, image_size: tuple, gt_boxes: int, rois: int
) -> None:
    case = Case(task=task, method="e3va")
    assert (case.backbone, case.image_size, case.gt_boxes, case.rois_per_image) == (
        backbone,
        image_size,
        gt_boxes,
        rois,
    )
    assert (case.batch_size, case.window, case.precision, case.optimizer) == (2, 7, "fp32", "adamw")


def test_auto_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert Case(task="voc", method="full").engine == "simulate"


def test_a_run_is_another_case() -> None:
    shape, run = Case(task="coco", method="lora"), Case(task="coco", method="lora", batches=12)
    assert shape != run
    assert Case(**run.as_dict()) == run
    assert run.title == f"{shape.title}, run of 12 batches"


def test_cases_compare_and_round_trip() -> None:
    case = Case(task="coco", method="lora", image_size=[64, 96])
    assert case == Case(task="coco", method="lora", image_size=(64, 96))
    assert Case(**case.as_dict()) == case
    assert hash(case) == hash(Case(**case.as_dict()))
    with pytest.raises(FrozenInstanceError):
        case.method = "full"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "imagenet"}, "unknown task 'imagenet': choose from voc, ade20k, coco"),
        ({"method": "vpt"}, "unknown method 'vpt': choose from full, fixed, bitfit"),
        ({"backbone": "vit"}, "unknown backbone 'vit': choose from swin_nano"),
        ({"window": 8}, "unknown window 8: choose from 7, 12"),
        ({"engine": "tpu"}, "unknown engine 'tpu': choose from auto, simulate, cpu, cuda"),
        ({"precision": "fp8"}, "unknown precision 'fp8': choose from fp32, amp-fp16, amp-bf16, apex-o1"),
        ({"torch": "3.0"}, "unknown torch '3.0': choose from 1.7"),
        ({"alloc_conf": "expandable_segments:maybe"}, "expandable_segments must be True or False, not 'maybe'"),
        ({"engine": "cpu", "cudnn_benchmark": True}, "cudnn_benchmark is about kernels of a GPU"),
        ({"engine": "cuda", "torch": "1.12"}, "the cuda engine measures the PyTorch that is installed"),
        ({"profile": "jax"}, "unknown profile 'jax': choose from torch-2.11, mm-2021"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion': choose from adamw"),
        ({"image_size": (203, 256)}, "image side 203 does not divide by the patch size 4: use 200 or 204"),
        ({"image_size": (2, 256)}, "image side 2 does not divide by the patch size 4: use 4"),
        ({"image_size": (0, 256)}, "image side must be between 1 and 65536, got 0"),
        ({"image_size": (256,)}, r"image size \(256,\) must be a height and a width"),
        ({"image_size": (256, 10**9)}, "image side must be between 1 and 65536, got 1000000000"),
        ({"image_size": (256, 25.6)}, "image side must be a whole number between 1 and 65536, got 25.6"),
        ({"batch_size": 0}, "batch size must be between 1 and 4096, got 0"),
        ({"batch_size": True}, "batch size must be a whole number between 1 and 4096, got True"),
        ({"batch_size": 10**9}, "batch size must be between 1 and 4096, got 1000000000"),
        ({"batch_size": 10**5000}, "batch size must be between 1 and 4096, got a number of about 5000 digits"),
        ({"batches": 0}, "batches must be between 1 and 100000, got 0"),
        ({"batches": 10**9}, "batches must be between 1 and 100000, got 1000000000"),
        ({"batches": 4, "gt_boxes": 3}, "a run of batches draws its objects per image: leave gt boxes out"),
        ({"stretch": "median"}, "unknown stretch 'median': choose from worst, first"),
        ({"engine": "cpu", "precision": "amp-fp16"}, "cpu engine trains in fp32 with explicit attention"),
        ({"engine": "cpu", "fused_attention": True}, "cpu engine trains in fp32 with explicit attention"),
        ({"seed": -1}, "seed must be between 0 and 9223372036854775807, got -1"),
        ({"seed": 2**63}, "seed must be between 0 and 9223372036854775807, got 9223372036854775808"),
        ({"gt_boxes": 0}, "gt boxes must be between 1 and 65536, got 0"),
        ({"gt_boxes": 10**25}, "gt boxes must be between 1 and 65536, got 10000000000000000000000000"),
        ({"rois_per_image": 3}, "rois per image must be between 4 and 1000000, got 3"),
        ({"rois_per_image": 10**9}, "rois per image must be between 4 and 1000000, got 1000000000"),
        ({"task": "ade20k", "gt_boxes": 5}, "task ade20k has no gt boxes: leave them at 0"),
        ({"task": "voc", "rois_per_image": 512}, "task voc has no rois per image"),
    ],
)
def test_wrong_fields_say_what_is_right(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Case(**{"task": "coco", "method": "full", **fields})


def test_a_profile_is_a_preset_of_rules() -> None:
    preset = Case(task="voc", method="full", profile="mm-2021", engine="simulate")
    assert preset.rules == Rules(torch="1.8", ddp=True)
    assert preset.title.endswith("simulate, mm-2021")
    chosen = Case(task="voc", method="full", torch="1.12", ddp=True, engine="simulate")
    assert chosen.rules == Rules(torch="1.12", ddp=True)
    assert chosen.title.endswith("simulate, PyTorch 1.12, ddp")
