"""How the commands of the documents run in seconds: what is replaced by what, and what is only parsed and why."""

import shlex

SMALLER = (
    ("timm:vit_base_patch14_dinov2", "timm:test_vit"),
    ("timm:vit_small_patch16_224", "timm:test_vit"),
    ("timm:resnet50", "timm:test_resnet"),
    ("timm:swin_tiny_patch4_window7_224", "timm:swin_tiny_patch4_window7_224 --image-size 56"),
    ("torchvision:maskrcnn_resnet50_fpn", "torchvision:maskrcnn_resnet50_fpn --image-size 64"),
    ("torchvision:deeplabv3_resnet50 --image-size 512", "torchvision:lraspp_mobilenet_v3_large --image-size 64"),
    ("transformers:BertForMaskedLM", "transformers:BertForMaskedLM --set num_hidden_layers=1"),
    ("num_hidden_layers=4 --tokens 512", "num_hidden_layers=1 --set hidden_size=64 --set vocab_size=100 --tokens 16"),
    ("--image-size 518", "--image-size 64"),
    ("--image-size 608x1024", "--image-size 128x192"),
    ("--backbone swin_large", "--backbone swin_tiny"),
    ("--method all", "--method fixed"),
    ("--method full --batches 1 --batches 12", "--method full --batches 1 --batches 2"),
    ("--task coco", "--task voc"),
    ("--out made", "--out made --train 4 --val 1"),
)
"""Text of a command -> what stands in its place."""

SMALL_CASE = {"--backbone": "swin_tiny", "--image-size": "128x192", "--method": "fixed"}
"""Options that cases of the suite get where they do not have them."""

LONG = {
    "drystep validate": "drystep validate --only reports --match mmcls_vit",
    "drystep validate --only reports --match segformer": "drystep validate --only reports --match segformer_b0",
    "drystep validate --only xmem --match SGD": "drystep validate --only xmem --match MobeNetV3Small",
    "drystep validate --only reports --memtracker": "",
    "python -m bench validate": "python -m bench validate --only reports --match mmcls_vit",
}
"""Command -> the one that is run instead of it; "" for none."""

SEARCHED = ("drystep fit train.py:build_step", "drystep fit train.py:build_step --throughput")
"""Runs of `fit` that look for the largest batch and image, and for advice; all others get --quick."""
NOT_QUICK = ("--quick", "--show-step", "--probe")

ONLY_PARSED = {
    "pip install": "it needs a network",
    "nox -s": "a session takes minutes, and installs",
    "drystep calibrate --out": "it needs a GPU",
    "drystep calibrate --from": "it traces a table of measured steps, which takes minutes",
    "drystep validate --only reports --memtracker": "MemTracker takes minutes",
    "python -m bench tables": "it takes minutes",
    "python -m bench prove": "it needs a GPU",
    "python -m bench train": "it takes minutes; tests/bench/training runs it",
    "python -m bench evaluate": "it needs a trained run; tests/bench/training runs it",
    "python -m bench report results.jsonl --runs": "it needs trained runs; tests/bench/commands runs it",
    "torchrun": "it needs several GPUs; tests/bench/training runs two processes",
    "python -m bench validate --only step-times": "it traces language models, which takes minutes",
    "python -m bench fit": "its search of the largest image takes a minute; tests/bench runs it",
    "python examples/train_your_own.py": "it takes a minute; tests/examples runs it",
}
"""Beginning of a command -> why it is not run."""
OPTIONS_ONLY_PARSED = {
    "--engine cuda": "it needs a GPU",
    "--launcher ray": "it needs ray's processes",
    "--engine cpu": "it times real steps, which takes a minute beside other tests",
    "--time-relative-to": "it compares times of real steps, which takes two such runs",
}
"""Options of the suite -> why a command with them is not run."""


NIGHTLY = (
    "drystep solve batch-size timm:",
    "python -m bench explain",
    "python -m bench run --task voc --method full --batches",
)
"""Beginnings of commands that take ten seconds and more even on a small step."""


def why_not_run(command: str) -> str:
    """Why a command is only parsed; "" where it is run."""
    reasons = [reason for start, reason in ONLY_PARSED.items() if command.startswith(start)]
    reasons += [reason for option, reason in OPTIONS_ONLY_PARSED.items() if option in command]
    return "; ".join(reasons)


def made_small(command: str) -> str:
    """A command that asks the same of a small step."""
    small = LONG.get(command, command)
    for text, replacement in SMALLER:
        small = small.replace(text, replacement)
    words = shlex.split(small)
    if words[1:3] == ["-m", "bench"] and "--task" in words and words[3] != "make-data":
        small += "".join(f" {option} {value}" for option, value in SMALL_CASE.items() if option not in words)
    if words[:2] == ["drystep", "fit"] and command not in SEARCHED and not set(NOT_QUICK) & set(words):
        small += " --quick"
    return small
