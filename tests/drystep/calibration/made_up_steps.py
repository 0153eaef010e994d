"""Steps of timm's smallest models, and what they would take on a card whose factors are known."""

import functools
import random
from collections import Counter
from pathlib import Path

import timm

from drystep.calibration.fitting import Counted, count_all
from drystep.calibration.step_table import MeasuredStep, family_of
from drystep.calibration.traced import StepToTrace
from drystep.gpus.classes import Gpu, select_gpus
from drystep.operators import Work
from drystep.time.calibrated.resources import Key, total_us
from drystep.time.calibrated.typical import typical_factor

CARD = select_gpus(["rtx-3090-24gb"])[0]
MODELS = (*timm.list_models("test_*"), "resnet10t", "tinynet_e", "mobilenetv3_small_050", "semnasnet_050")
KERNEL_US = 3.0


def true_factor(key: Key) -> float:
    """Factors of two to three times the typical ones, the same for all groups of a kind."""
    group, resource = key
    return typical_factor(key) * random.Random(f"{group.partition('.')[0]} {resource}").uniform(2, 3)


def true_ms(counted: Counter[Work], gpu: Gpu = CARD) -> float:
    """What a step takes with the known factors."""
    sums, kernels = total_us(counted, gpu.peaks, gpu.name)
    return (KERNEL_US * kernels + sum(us * true_factor(key) for key, us in sums.items())) / 1e3


@functools.cache
def counted() -> Counted:
    """The work of each model's forward pass on 512 images, in single precision."""
    rows = [MeasuredStep(0, _step(model), 1.0, "") for model in MODELS]
    return count_all(rows, lambda: None, workers=1)


def rows() -> list[MeasuredStep]:
    """Steps as if they had been measured, from the second line of a table on."""
    return [
        MeasuredStep(line, step, true_ms(counted()[step]), family_of(step.model))
        for line, step in enumerate(counted(), start=2)
    ]


def write_table(path: Path) -> None:
    """Write the steps as a table."""
    lines = [
        f"timm:{row.step.model},{row.step.batch_size},{row.step.image_size},fp32,{row.milliseconds},inference,2.11"
        for row in rows()
    ]
    path.write_text("\n".join(["spec,batch,size,precision,milliseconds,mode,torch", *lines, ""]))


def _step(model: str) -> StepToTrace:
    return StepToTrace(model, 512, 64, "fp32", "inference", "nchw", "2.11")
