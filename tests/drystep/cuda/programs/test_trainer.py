"""The Trainer of transformers, with its own loop, places and casts as on a GPU."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from drystep import Simulation, simulate

BATCH, LENGTH = 16, 64
BLOCK = 512
"""Bytes that the smallest tensor takes."""
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


def _model() -> nn.Module:
    return BertForSequenceClassification(BertConfig(vocab_size=100, hidden_dropout_prob=0.0, **SIZES))


def _examples() -> list[dict[str, torch.Tensor]]:
    tokens, mask = torch.arange(LENGTH), torch.ones(LENGTH, dtype=torch.int64)
    return [{"input_ids": tokens, "attention_mask": mask, "labels": torch.tensor(0)} for _ in range(BATCH)]


def _trainer(folder: Path, **options: object) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=1,
        per_device_train_batch_size=BATCH,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        **{"optim": "adamw_torch", **options},
    )
    return Trainer(_model(), arguments, train_dataset=_examples())


def _one_step(device: torch.device, folder: Path, **options: object) -> Callable[[], None]:
    trainer = _trainer(folder, **options)
    assert trainer.args.device == device
    trainer.create_optimizer()
    trainer.current_gradient_accumulation_steps = 1
    model = trainer.accelerator.prepare(trainer.model)
    loader = trainer.get_train_dataloader()

    def step() -> None:
        for inputs in loader:
            trainer.training_step(model, inputs)
            trainer.optimizer.step()
            trainer.optimizer.zero_grad()

    return step


def _whole_loop(device: torch.device, folder: Path, **options: object) -> Callable[[], object]:
    return _trainer(folder, **options).train


def _by_hand(device: torch.device, bf16: bool = False) -> Callable[[], None]:
    model = _model().to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    examples = _examples()

    def step() -> None:
        inputs = {name: torch.stack([example[name] for example in examples]).to(device) for name in examples[0]}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _simulated(build_step: Callable, **options: object) -> Simulation:
    return simulate(functools.partial(build_step, **options), gpus=["v100-32gb"])


@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_of_the_trainer_needs_what_a_step_by_hand_needs(bf16: bool, tmp_path: Path) -> None:
    trainer = _simulated(_one_step, folder=tmp_path, bf16=bf16)
    by_hand = _simulated(_by_hand, bf16=bf16)
    # The Trainer divides the loss by the number of accumulated batches, and keeps both.
    assert trainer.peak_allocated_bytes - by_hand.peak_allocated_bytes in (0, BLOCK)
    assert trainer.warnings == ()


@pytest.mark.parametrize(
    "options",
    [{}, {"optim": "adamw_torch_fused"}, {"bf16": True}, {"fp16": True, "gradient_accumulation_steps": 2}],
    ids=str,
)
def test_the_whole_loop_of_the_trainer_runs(options: dict, tmp_path: Path) -> None:
    simulation = _simulated(_whole_loop, folder=tmp_path, **options)
    trace, parameters = simulation.trace, list(_model().parameters())
    lasting = [trace.allocations[index] for index in trace.alive_after(len(trace.events) - 1)]
    state_bytes = sum(allocation.requested_bytes for allocation in lasting if allocation.category == "optimizer_state")
    moments = 2 * sum(parameter.numel() for parameter in parameters)
    counters = len(parameters) if "optim" in options else 0  # float32 on the device if fused, else on the host
    assert state_bytes == 4 * (moments + counters)
    half = torch.bfloat16 if "bf16" in options else torch.float16 if "fp16" in options else torch.float32
    dtypes = {allocation.dtype for allocation in trace.allocations if allocation.category == "activations"}
    assert half in dtypes
