from collections.abc import Callable
from typing import Any

import pytest

from bench.cases.methods import METHODS as REGISTERED
from reports import measured_cards

Record = dict[str, Any]
MIB = 1 << 20
GPUS = {"gtx-1080ti-11gb": 10_000, "p100-16gb": 15_600, "rtx-3090-24gb": 23_000, "v100-32gb": 31_000}
METHODS = ("full", "fixed", "norm_tuning", "e3va-reference", "e3va")


@pytest.fixture
def record() -> Callable[..., Record]:
    """A result line with round figures."""

    def build(
        task: str,
        backbone: str,
        method: str,
        reserved_mib: int | None = None,
        step_ms: float | None = None,
        in_turns: float | None = None,
        status: str = "ok",
        message: str = "",
        params: int = 1_000_000,
        **case: Any,
    ) -> Record:
        size = {"voc": [608, 1024], "ade20k": [512, 512], "coco": [800, 1344]}[task]
        memory = time = None
        fits = {}
        if reserved_mib is not None:
            allocated = (reserved_mib - 100) * MIB
            at_peak = dict.fromkeys(("gradients", "optimizer_state", "inputs", "workspace", "other"), 0)
            at_peak |= {"parameters": allocated // 4, "activations": allocated - allocated // 4}
            memory = {
                "peak_allocated_bytes": allocated,
                "peak_reserved_bytes": reserved_mib * MIB,
                "peak_phase": "backward",
                "at_peak": at_peak,
            }
            fits = {gpu: _fit(reserved_mib, usable) for gpu, usable in GPUS.items()}
        if step_ms is not None:
            samples = [step_ms - 1, step_ms, step_ms + 1]
            step = {"median": step_ms, "p10": step_ms - 0.8, "p90": step_ms + 0.8, "samples": samples}
            time = {"step_ms": step, "forward_ms": 1.0, "backward_ms": 1.0, "optimizer_ms": 1.0}
        if time and in_turns:
            ratio = {"median": in_turns, "low": in_turns - 0.004, "high": in_turns + 0.004}
            time["relative_to"] = {"method": "full", "ratio": ratio}
        return {
            "schema": 1,
            "case": {
                "task": task, "backbone": backbone, "window": 7, "method": method, "batch_size": 2, "image_size": size,
                "precision": "fp32", "optimizer": "adamw", "engine": "cpu" if time else "simulate",
                "profile": "torch-2.11", "gt_boxes": 0 if task == "ade20k" else 8,
                "rois_per_image": 512 if task == "coco" else 0, "seed": 0, "batches": 1, "stretch": "worst",
                "fused_attention": False, "checkpointing": False, "bf16_trunk": False, **case,
            },
            "method": method_fields(method),
            "status": status,
            "message": message,
            "params": {"trainable_backbone": params, "trainable_total": params, "total": params},
            "memory": memory,
            "time": time,
            "fits": fits,
            "environment": {"torch": "2.11.0", "device": "a CPU, 2 threads", "driver": None, "git_dirty": True},
            "created_at": "2026-01-01T00:00:00+00:00",
        }  # fmt: skip

    return build


@pytest.fixture
def evaluation() -> Callable[..., Record]:
    """What `bench evaluate` writes of a run, with what is known of its method; metrics are between 0 and 1."""

    def build(
        task: str, backbone: str, method: str, seed: int = 0, metrics: dict[str, Any] | None = None, **fields: Any
    ) -> Record:
        round_figures = {
            "voc": {"AP50": 0.8, "AP50_area": 0.82, "per_class": {"cat": {"AP50": 0.8}}},
            "ade20k": {"mIoU": 0.5, "pixel_accuracy": 0.8, "per_class": [0.5, None]},
            "coco": {"bbox_AP": 0.5, "segm_AP": 0.45, "bbox_APs": None},
        }
        return {
            "kind": "bench evaluation", **method_fields(method),
            "task": task, "method": method, "backbone": backbone, "window": 7, "precision": "amp-fp16", "seed": seed,
            "pretrained": "timm", "made_up": False,
            "recipe": {"name": "authors", "total_batch": 16, "learning_rate": 1e-4, "clip_norm": None},
            "steps": 1000, "of_steps": 1000, "images": {"train": 16551, "val": 4952},
            "metrics": round_figures[task] if metrics is None else metrics, "device": "NVIDIA H200",
            "memory": {"measured_bytes": 2000 * MIB, "simulated_bytes": 1900 * MIB},
            "time": {"measured_step_ms": 100.0, "predicted_step_ms": 110.0},
            "data": "/data/VOCdevkit", "environment": {"torch": "2.11.0"}, "created_at": "2026-01-01T00:00:00+00:00",
            **fields,
        }  # fmt: skip

    return build


def method_fields(method: str) -> dict[str, str]:
    """What a result line says of its method; one that nobody registered is no form or variant of another."""
    known = REGISTERED.get(method)
    return known.as_fields() if known else {"label": method, "base": method, "form": "", "variant": ""}


def _fit(reserved_mib: int, usable_mib: int) -> dict[str, Any]:
    excess_mib = reserved_mib - usable_mib
    verdict = "fits" if excess_mib <= 0 else "fits_with_retries" if excess_mib <= 500 else "oom"
    reserved = min(reserved_mib, usable_mib) * MIB
    return {"verdict": verdict, "usable_bytes": usable_mib * MIB, "peak_reserved_bytes": reserved, "alloc_retries": 0}


@pytest.fixture
def records(record: Callable[..., Record]) -> list[Record]:
    """All four tables, for four methods, one of them in two forms."""
    params = {"full": 195_000_000, "fixed": 0, "norm_tuning": 90_000, "e3va-reference": 1_790_000, "e3va": 1_790_000}
    mib = {"full": 10_200, "fixed": 2_000, "norm_tuning": 7_000, "e3va-reference": 4_020, "e3va": 4_000}
    step_ms = {"full": 200.0, "fixed": 80.0, "norm_tuning": 150.0, "e3va-reference": 112.0, "e3va": 110.0}
    lines = []
    for method in METHODS:
        common = {"method": method, "params": params[method]}
        lines.append(record("voc", "swin_large", reserved_mib=mib[method], **common))
        lines.append(record("ade20k", "swin_large", reserved_mib=mib[method] - 500, **common))
        lines.append(record("coco", "swin_base", reserved_mib=mib[method] + 500, **common))
        for batch_size in (1, 2):
            reserved = mib[method] * 2 * batch_size
            lines.append(record("coco", "swin_large", reserved_mib=reserved, batch_size=batch_size, **common))
        share = None if method == "full" else step_ms[method] / step_ms["full"]
        timed = {"step_ms": step_ms[method], "in_turns": share, "image_size": [128, 192]}
        lines.append(record("voc", "swin_tiny", **timed, **common))
    return lines


@pytest.fixture(autouse=True)
def no_measured_cards(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Reports of the tests show their own records alone, and not what the repository holds of measured cards."""
    monkeypatch.setattr(measured_cards.measured_tables, "__defaults__", (tmp_path_factory.mktemp("measured"),))
