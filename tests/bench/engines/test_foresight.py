"""What a case will take, by arithmetic over its parameters."""

from types import SimpleNamespace

import pytest
import torch

from bench import Case
from bench.cases.training_step import prepare
from bench.engines import foresight

MIB = 1 << 20


def test_weights_and_moments_are_resident_beside_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four bytes for every parameter, and of what trains AdamW keeps two numbers of four bytes more."""
    case = Case(task="voc", method="fixed", backbone="swin_tiny", image_size=(32, 32), batch_size=1, engine="cpu")
    parameters = list(prepare(case, torch.device("meta")).model.parameters())
    weights = sum(4 * p.numel() for p in parameters)
    moments = sum(2 * 4 * p.numel() for p in parameters if p.requires_grad)
    assert 0 < moments < 2 * weights  # the trunk is frozen
    monkeypatch.setattr(foresight, "trace_steps", lambda *_, **__: None)
    monkeypatch.setattr(foresight, "judge", lambda *_: SimpleNamespace(peak_allocated_bytes=MIB))
    cost = foresight._cost.__wrapped__(case)
    assert cost.peak_bytes == MIB + weights + moments
    assert cost.flops > 0


def test_a_case_is_refused_by_what_both_processes_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with PyTorch in it holds 500 MiB beside its tensors."""
    case, reference = (Case(task="voc", method=method, engine="cpu") for method in ("fixed", "full"))
    peaks = {case: 100 * MIB, reference: 400 * MIB}
    monkeypatch.setattr(foresight, "_cost", lambda one: foresight.Cost(peaks[one], flops=10**9))
    for available_mib, alone, in_turns in (
        (1500, True, True),
        (1499, True, False),
        (600, True, False),
        (599, False, False),
    ):
        memory = SimpleNamespace(available=available_mib * MIB)
        monkeypatch.setattr("psutil.virtual_memory", lambda memory=memory: memory)
        assert (foresight.refusal(case, None) == "") == alone
        assert (foresight.refusal(case, reference) == "") == in_turns


def test_minutes_are_operations_over_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five timed steps, two to warm up, and the one batch whose memory is recorded: 8 of 2 Gflop at 0.1 Gflop/s."""
    case = Case(task="voc", method="fixed", engine="cpu")
    monkeypatch.setattr(foresight, "_cost", lambda one: foresight.Cost(MIB, flops=2 * 10**9))
    monkeypatch.setattr(foresight, "_flops_per_second", lambda: 1e8)
    assert "needs about 3 minutes on this CPU (8 real steps)" in foresight.announcement(case, None, steps=5)
    monkeypatch.setattr(foresight, "_flops_per_second", lambda: 1e9)
    assert foresight.announcement(case, None, steps=5) == ""  # sixteen seconds
