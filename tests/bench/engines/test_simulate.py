"""What the mechanism demands of the figures at full size, and nothing about how many bytes they are."""

from dataclasses import replace

import pytest
import torch

from bench import Case, Result, measure
from bench.cases.methods import PAPER_METHODS
from bench.cases.training_step import batch_shapes, prepare
from bench.engines.simulate import trace_case
from drystep.alloc_conf import AllocatorSettings
from drystep.memory.replay import replay
from drystep.trace.trace import Trace

BACKPROPAGATE = ("norm_tuning", "bitfit", "lora", "adapter", "adaptformer", "lorand")
HIGHWAYS = ("e3va", "e3va+", "e3va++")


@pytest.fixture(scope="module", params=["voc", "ade20k", "coco"])
def peaks(request: pytest.FixtureRequest) -> dict[str, int]:
    cases = [Case(task=request.param, method=method, engine="simulate") for method in PAPER_METHODS]
    return {case.method: measure(case).memory["peak_allocated_bytes"] for case in cases}


@pytest.mark.nightly
def test_only_what_backpropagates_through_the_backbone_pays_for_it(peaks: dict[str, int]) -> None:
    """{fixed, partial1} < E3VA << {methods inside the backbone} < full."""
    frozen = max(peaks["fixed"], peaks["partial1"])
    cheap = [peaks[method] for method in HIGHWAYS]
    dear = [peaks[method] for method in BACKPROPAGATE]
    assert frozen < min(cheap)
    assert max(cheap) < 0.8 * min(dear)
    assert max(dear) < peaks["full"]


@pytest.mark.nightly
def test_rank_hardly_costs_memory(peaks: dict[str, int]) -> None:
    assert peaks["e3va"] < peaks["e3va+"] < peaks["e3va++"] < 1.05 * peaks["e3va"]


def test_memory_grows_with_the_batch() -> None:
    two, four = (
        measure(Case(task="voc", method="e3va", backbone="swin_tiny", batch_size=size, engine="simulate"))
        for size in (2, 4)
    )
    assert two.memory["at_peak"]["parameters"] == four.memory["at_peak"]["parameters"]
    assert 1.9 < four.memory["at_peak"]["activations"] / two.memory["at_peak"]["activations"] < 2.1


RUN = Case(task="voc", method="full", backbone="swin_tiny", image_size=(192, 320), batches=3, engine="simulate")
META = torch.device("meta")


def _peak_requested_bytes(trace: Trace) -> int:
    """Highest sum of requested sizes in the steady steps, whatever an allocator makes of them."""
    start = trace.iteration_starts[-trace.steady_steps]
    alive = peak = 0
    for position, (index, born, _) in enumerate(trace.events):
        alive += trace.allocations[index].requested_bytes * (1 if born else -1)
        peak = max(peak, alive) if position >= start else peak
    return peak


def test_a_run_needs_as_much_as_its_worst_batch_alone() -> None:
    shapes = batch_shapes(RUN)[2:]
    singles = [replace(RUN, batches=1, image_size=shape.image_size, gt_boxes=shape.gt_boxes) for shape in shapes]
    alone = [_peak_requested_bytes(trace_case(case, prepare(case, META).build_step, META)) for case in singles]
    assert len(set(alone)) > 1
    assert _peak_requested_bytes(trace_case(RUN, prepare(RUN, META).build_step, META)) == max(alone)


def test_a_run_names_its_worst_batch() -> None:
    result = measure(RUN)
    shape = batch_shapes(RUN)[-1]  # the stretch ends with it
    worst = {"index": 2, "image_size": list(shape.image_size), "gt_boxes": shape.gt_boxes}
    assert result.memory["worst_batch"] == worst
    assert Result.from_json(result.to_json()) == result
    assert "worst_batch" not in measure(replace(RUN, batches=1)).memory


def test_a_run_on_batches_of_one_size_is_the_single_shape() -> None:
    run = Case(task="ade20k", method="e3va", backbone="swin_tiny", image_size=(64, 64), batches=3, engine="simulate")
    many, one = measure(run).memory, measure(replace(run, batches=1)).memory
    assert many["at_peak"]["activations"] == one["at_peak"]["activations"]
    assert many["peak_phase"] == one["peak_phase"]


def test_a_case_follows_the_environments_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(task="ade20k", method="e3va", backbone="swin_tiny", image_size=(64, 64), engine="simulate")
    plain = measure(case)
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True,large_segment_size_mb:4096")
    paged = measure(case)
    assert plain.environment["allocator"] == "default"
    assert paged.environment["allocator"] == "expandable_segments:True,large_segment_size_mb:4096"
    assert paged.memory["peak_reserved_bytes"] > 4096 * 2**20 > plain.memory["peak_reserved_bytes"]


@pytest.mark.parametrize(
    "case",
    [
        RUN,
        *(
            pytest.param(Case(task=task, method="full", batches=12, engine="simulate"), marks=pytest.mark.nightly)
            for task in ("voc", "coco")
        ),
    ],
    ids=lambda case: case.title,
)
def test_expandable_segments_save_what_batches_of_many_sizes_fragment(case: Case) -> None:
    """Segments of sizes that no later batch has again stay half empty; pages of one range do not."""
    trace = trace_case(case, prepare(case, META).build_step, META)
    default = replay(trace)
    paged = replay(trace, allocator_settings=AllocatorSettings(expandable_segments=True))
    assert paged.peak_reserved_bytes < default.peak_reserved_bytes
    assert paged.peak_reserved_bytes < paged.peak_allocated_bytes + 256 * 2**20


@pytest.mark.parametrize("precision", ["amp-fp16", "amp-bf16", "apex-o1"])
@pytest.mark.parametrize(("method", "checkpointing"), [("e3va-recompute", False), ("lora", True)])
def test_recomputation_trains_in_mixed_precision(method: str, checkpointing: bool, precision: str) -> None:
    """PyTorch itself compares what is computed again with what was: types that differ end the step."""
    case = Case(
        task="voc", method=method, checkpointing=checkpointing, precision=precision, backbone="swin_tiny",
        image_size=(64, 64), engine="simulate",
    )  # fmt: skip
    assert measure(case).status == "ok"
