"""The code of steps: it compiles in all combinations, and its optimizers, averages and loops cost what they must."""

import itertools
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from drystep import Simulation, simulate
from tests.drystep.zoo.steps import GPU, loaded, simulated

VIT, RESNET = "timm:test_vit", "timm:test_resnet"
SIZE = (64, 64)
ALIGNMENT_BYTES = 512
"""The caching allocator rounds sizes up to it."""


def _parameters() -> list[torch.Tensor]:
    return list(timm.create_model("test_vit", num_classes=7, img_size=SIZE).parameters())


def _state_bytes(simulation: Simulation) -> int:
    allocations = simulation.trace.allocations
    return sum(part.requested_bytes for part in allocations if part.category == "optimizer_state")


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


@pytest.mark.parametrize(("optimizer", "bytes_per_parameter"), [("adamw", 8), ("adam", 8), ("sgd", 4)])
def test_the_state_of_optimizers(optimizer: str, bytes_per_parameter: int) -> None:
    """Two moments for Adam, one for momentum; the counts of Adam's steps are on the host."""
    parameters = _parameters()
    state = _state_bytes(simulated(VIT, SIZE, classes=7, optimizer=optimizer))
    assert state == bytes_per_parameter * sum(parameter.numel() for parameter in parameters)


def test_the_state_of_adafactor_is_factored() -> None:
    """A row and a column for each matrix (Shazeer and Stern, 2018): sums over the last two dimensions."""
    expected = 0
    for parameter in _parameters():
        if parameter.dim() > 1:
            *others, rows, columns = parameter.shape
            expected += 4 * torch.Size(others).numel() * (rows + columns)
        else:
            expected += 4 * parameter.numel()
    state = _state_bytes(simulated(VIT, SIZE, classes=7, optimizer="adafactor"))
    assert state == expected


def test_an_average_of_the_weights_is_a_copy_of_parameters_and_buffers() -> None:
    """And a count of its updates, on the device of the model's parameters or on the host."""
    model = timm.create_model("test_resnet", num_classes=7)
    copies = sum(_rounded(tensor.nbytes) for tensor in itertools.chain(model.parameters(), model.buffers()))
    without, with_average = (
        simulated(RESNET, SIZE, classes=7, ema=ema).allocated_after_step_bytes for ema in (False, True)
    )
    assert with_average - without in (copies, copies + ALIGNMENT_BYTES)


def test_batches_that_are_accumulated_run_one_after_the_other() -> None:
    """The second one runs beside the gradients of the first; the optimizer's step is the same."""
    alone, accumulated = (simulated(RESNET, SIZE, 8, accumulate=number) for number in (1, 3))
    gradients = sum(_rounded(tensor.nbytes) for tensor in timm.create_model("test_resnet").parameters())
    assert alone.peak_allocated_bytes <= accumulated.peak_allocated_bytes
    assert accumulated.peak_allocated_bytes <= alone.peak_allocated_bytes + gradients + ALIGNMENT_BYTES
    assert accumulated.step_time(GPU).step_ms > 2 * alone.step_time(GPU).step_ms


def test_checkpointing_lowers_the_peak_and_takes_time() -> None:
    plain, checkpointed = (simulated(VIT, (96, 96), 32, checkpointing=on) for on in (False, True))
    assert checkpointed.peak_allocated_bytes < plain.peak_allocated_bytes
    assert checkpointed.step_time(GPU).step_ms > plain.step_time(GPU).step_ms


def test_checkpointing_of_torchvisions_blocks_lowers_the_peak() -> None:
    plain, checkpointed = (simulated("torchvision:resnet18", (96, 96), 64, checkpointing=on) for on in (False, True))
    assert checkpointed.peak_allocated_bytes < plain.peak_allocated_bytes


def test_images_and_convolutions_are_channels_last() -> None:
    work = simulated(RESNET, SIZE, channels_last=True).trace.work
    layouts = {part.group.split(".")[1] for _, part in work if "convolution" in part.group}
    assert layouts == {"nhwc"}


def test_inference_has_no_labels_no_gradients_and_no_state() -> None:
    loaded_step = loaded(RESNET, SIZE, mode="inference")
    assert "labels" not in loaded_step.source
    assert "cross_entropy" not in loaded_step.source
    simulation = simulate(partial(loaded_step.build_step, batch_size=2), gpus=(GPU,))
    assert {part.category for part in simulation.trace.allocations}.isdisjoint({"gradients", "optimizer_state"})


@pytest.mark.parametrize("precision", ["amp-fp16", "amp-bf16"])
def test_convolutions_run_in_the_precision_of_autocast(precision: str) -> None:
    dtype = {"amp-fp16": torch.float16, "amp-bf16": torch.bfloat16}[precision]
    work = simulated(RESNET, SIZE, precision=precision).trace.work
    assert {part.dtype for _, part in work if "convolution" in part.group} == {dtype}


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        ("timm:test_resnet", {"optimizer": "lion"}, "unknown optimizer 'lion'"),
        ("torchvision:r3d_18", {"channels_last": True}, "--channels-last does not apply to torchvision:r3d_18"),
        ("torchvision:vgg11", {"checkpointing": True}, "--checkpointing does not apply to torchvision:vgg11"),
    ],
)
def test_settings_that_do_not_suit(spec: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loaded(spec, **settings)


METHODS: tuple[dict[str, Any], ...] = (
    {}, {"method": "head"}, {"method": "bitfit"}, {"method": "norm"}, {"method": "last-2"}, {"method": "lora"},
    {"method": "lora", "method_options": {"targets": [f"blocks.{block}.mlp.fc1" for block in range(6)]}},
    {"method": "adalora"}, {"method": "ia3"}, {"mode": "inference"},
)  # fmt: skip
LOOPS: tuple[dict[str, Any], ...] = (
    {}, {"precision": "amp-fp16", "accumulate": 4}, {"precision": "amp-bf16", "ema": True, "checkpointing": True},
    {"precision": "amp-fp16", "optimizer": "sgd"}, {"accumulate": 2, "optimizer": "adafactor", "channels_last": True},
    {"fused_attention": "off"},
)  # fmt: skip
ONLY_TRAINING = {"ema", "checkpointing", "accumulate", "optimizer"}


def _sources(spec: str, methods: tuple[dict[str, Any], ...], loops: tuple[dict[str, Any], ...]) -> list[str]:
    settings = [
        {**method, **loop}
        for method, loop in itertools.product(methods, loops)
        if not (method.get("mode") and loop.keys() & ONLY_TRAINING)
    ]
    return [loaded(spec, SIZE if "vit" in spec else None, **each).source for each in settings]


def _tidy(sources: list[str], folder: Path) -> None:
    """Each source is what `ruff format` makes of it, and has no unused import or name."""
    ruff = shutil.which("ruff")
    for number, source in enumerate(sources):
        compile(source, "step.py", "exec")
        (folder / f"step_{number}.py").write_text(source)
    if ruff is None:
        pytest.skip("ruff is not installed")
    for command in (("format", "--diff"), ("check", "--select", "F,I,E")):
        run = [ruff, *command, "--isolated", "--line-length", "120", str(folder)]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_method_and_each_loop_is_tidy(tmp_path: Path) -> None:
    _tidy([*_sources(VIT, METHODS, LOOPS[:1]), *_sources(VIT, METHODS[:1], LOOPS[1:])], tmp_path)


@pytest.mark.nightly
def test_all_combinations_are_tidy(tmp_path: Path) -> None:
    _tidy(_sources(VIT, METHODS, LOOPS), tmp_path)


TORCHVISION = (
    "maskrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "ssd300_vgg16",
    "googlenet",
    "raft_small",
    "mvit_v2_s",
)


@pytest.mark.nightly
@pytest.mark.parametrize("name", TORCHVISION)
def test_the_code_of_torchvisions_models_is_tidy(name: str, tmp_path: Path) -> None:
    methods: list[dict[str, Any]] = [{}, {"mode": "inference"}, {"method": "lora"}]
    sources = [loaded(f"torchvision:{name}", **each).source for each in methods]
    _tidy(sources, tmp_path)


def test_arguments_of_the_function_take_the_place_of_defaults() -> None:
    build_step: Callable[..., Any] = loaded(VIT, SIZE).build_step
    small, large = (
        simulate(partial(build_step, batch_size=batch, image_size=side), gpus=(GPU,)).peak_allocated_bytes
        for batch, side in ((1, SIZE), (8, (96, 96)))
    )
    assert small < large
