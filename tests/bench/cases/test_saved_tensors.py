import csv
from pathlib import Path

import pytest

from baselines.adapter import HIDDEN
from bench.cases.case import Case
from bench.cases.methods import as_published
from bench.cases.saved_tensors import saved_for_backward_bytes

REFERENCE = list(csv.DictReader(Path(__file__).with_name("saved_for_backward.csv").read_text().splitlines()))
"""MiB of the authors' released backbones (and of E3VA and LoRand written independently) on meta tensors with
saved-tensor hooks: nothing of this project took part."""

HALF = ("apex-o1", "amp-fp16")


def dropout_mask_elements(case: Case) -> int:
    """Elements of the hidden vectors of two adapters per block: one mask each."""
    height, width = case.image_size
    stages = zip((1, 2, 4, 8), (2, 2, 18, 2), strict=True)  # stride beyond the patch, blocks
    tokens = sum(blocks * (height // 4 // stride) * (width // 4 // stride) for stride, blocks in stages)
    return 2 * HIDDEN * case.batch_size * tokens


def reference_mask_bytes(row: dict[str, str]) -> int:
    """Bytes per element of the reference's dropout masks: as wide as their input where dropout is not fused.

    CUDA's have one byte. The reference's AdaptFormer drops nothing.
    """
    widths = {"adapter": 2 if row["precision"] in HALF else 4, "adaptformer": 0}
    return widths.get(row["method"], 1)


ROWS = [
    pytest.param(row, id="-".join(list(row.values())[:3]), marks=() if row["task"] == "voc" else pytest.mark.nightly)
    for row in REFERENCE
]
"""The backbone of every task is the same code, at another size."""


@pytest.mark.parametrize("row", ROWS)
def test_equals_the_released_backbones(row: dict[str, str]) -> None:
    method = as_published(row["method"])  # the reference has plain modules, as the paper
    case = Case(task=row["task"], method=method, precision=row["precision"], engine="simulate")
    masks_mib = (1 - reference_mask_bytes(row)) * dropout_mask_elements(case) / 2**20
    assert saved_for_backward_bytes(case) / 2**20 == pytest.approx(float(row["mib"]) + masks_mib, rel=0.004, abs=0.6)
