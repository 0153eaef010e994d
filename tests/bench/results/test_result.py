import json
from dataclasses import replace

from bench import Case, Result
from bench.results.result import failed_result
from drystep.measure.failure import Failure

FULL, LORA = Case(task="voc", method="full", engine="simulate"), Case(task="voc", method="lora", engine="simulate")
FIT = {"verdict": "fits", "usable_bytes": 10, "peak_reserved_bytes": 5, "alloc_retries": 0}


def _result(case: Case = FULL, **fields: object) -> Result:
    return Result(case=case, **{"status": "ok", "environment": {"torch": "2.11.0"}, "fits": {"card": FIT}, **fields})


def test_a_line_has_the_fields_of_the_contract() -> None:
    line = json.loads(_result().to_json())
    assert list(line) == [
        "schema", "case", "method", "status",
        "message", "failure", "params", "cost", "memory", "time", "fits", "predicted_time",
        "environment", "created_at",
    ]  # fmt: skip
    assert line["schema"] == 1
    assert {
        "task", "backbone", "window", "method", "batch_size", "image_size", "precision", "optimizer", "engine",
        "profile", "gt_boxes", "seed",
    } <= line["case"].keys()  # fmt: skip
    assert line["case"]["image_size"] == [608, 1024]
    assert line["method"].keys() == {"label", "base", "form", "variant"}


def test_results_from_before_runs_are_of_one_shape() -> None:
    line = json.loads(_result().to_json())
    assert line["case"].pop("batches") == 1
    assert Result.from_json(json.dumps(line)).case == FULL


def test_a_run_round_trips() -> None:
    worst = {"index": 3, "image_size": [608, 928], "gt_boxes": 7}
    run = _result(replace(FULL, batches=12), memory={"peak_allocated_bytes": 1, "worst_batch": worst})
    assert Result.from_json(run.to_json()) == run


def test_only_a_gpu_that_runs_out_of_memory_is_a_result() -> None:
    so_far = {"params": {"total": 3}, "memory": {"peak_allocated_bytes": 7}, "environment": {}}
    failure = Failure("out_of_memory", "too much (backward phase)", "backward", so_far, "Traceback ...")
    on_gpu = failed_result(replace(FULL, engine="cuda"), failure, {})
    assert (on_gpu.status, on_gpu.memory, on_gpu.params) == ("oom", so_far["memory"], so_far["params"])
    assert on_gpu.failure == {"kind": "out_of_memory", "phase": "backward", "detail": "Traceback ..."}
    assert failed_result(replace(FULL, engine="cpu"), failure, {}).status == "error"
