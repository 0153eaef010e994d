"""Times of traces that are made by hand, on cards with round peaks."""

from dataclasses import replace

import pytest
import torch

from drystep import simulate
from drystep.gpus.classes import Gpu, select_gpus
from drystep.gpus.peaks import Peaks
from drystep.time.measured_operators import achieved_on, measured_cards
from drystep.time.predict import predict, roofline
from drystep.time.work import Work
from drystep.trace.trace import Operator, Trace

V100 = "Tesla V100-PCIE-32GB"
CARD = Peaks(fp32_tflops=10.0, bandwidth_gbs=500.0, operators=V100, scaled=False)
PRODUCT = Work("linear", 20_000_000_000, 1000, 1, torch.float32, 2000, 2000)  # 2 ms at 10 TFLOPS
ADDITION = Work("elementwise", 0, 500_000_000, 1, torch.float32)  # 1 ms at 500 GB/s


def _trace(*steps: tuple[str, Work], steady_steps: int = 1) -> Trace:
    operators = [Operator(work.kind, phase) for phase, work in steps]  # type: ignore[arg-type]
    return Trace(operators=operators, work=[(i, work) for i, (_, work) in enumerate(steps)], steady_steps=steady_steps)


def test_a_roofline_by_hand() -> None:
    time = roofline(_trace(("forward", PRODUCT), ("backward", ADDITION), ("optimizer", ADDITION)), CARD)
    assert (time.forward_ms, time.backward_ms, time.optimizer_ms) == pytest.approx((2.0, 1.0, 1.0))
    assert time.step_ms == pytest.approx(4.0)
    assert time.by_kind_ms == pytest.approx({"linear": 2.0, "elementwise": 2.0})
    assert time.launch_bound_ms == 0


def test_a_product_of_few_operations_takes_as_long_as_its_bytes() -> None:
    thin = replace(PRODUCT, flops=1000, moved_bytes=500_000_000)
    assert roofline(_trace(("forward", thin)), CARD).step_ms == pytest.approx(1.0)


def test_steps_that_count_are_averaged() -> None:
    two = _trace(("forward", ADDITION), ("forward", ADDITION), steady_steps=2)
    assert roofline(two, CARD).step_ms == pytest.approx(1.0)


def test_elementwise_kernels_reach_the_fitted_part_of_the_bandwidth() -> None:
    """The median of the fits in neusight_overheads.csv, V100: 0.913."""
    time = predict(_trace(("forward", ADDITION)), CARD)
    assert time.by_kind_ms["elementwise"] == pytest.approx(1.0 / 0.913, rel=2e-3)
    assert not time.scaled


def test_small_kernels_wait_for_the_host() -> None:
    """A thousand kernels of a nanosecond take as long as launching them."""
    tiny = replace(ADDITION, moved_bytes=500)
    time = predict(_trace(*[("forward", tiny)] * 1000), CARD)
    launch_us = achieved_on(CARD, "card").launch_us
    assert time.step_ms == pytest.approx(launch_us, rel=0.01)
    assert time.launch_bound_ms == pytest.approx(time.step_ms, rel=0.01)


def test_launches_run_ahead_of_large_kernels() -> None:
    time = predict(_trace(("forward", ADDITION), *[("forward", replace(ADDITION, moved_bytes=500))] * 10), CARD)
    assert time.launch_bound_ms == pytest.approx(achieved_on(CARD, "card").launch_us / 1e3, rel=0.01)


def test_each_precision_takes_its_own_peak() -> None:
    card = replace(CARD, fp16_tflops=100.0, bf16_tflops=50.0)
    half = replace(PRODUCT, dtype=torch.float16)
    brain = replace(PRODUCT, dtype=torch.bfloat16)
    assert roofline(_trace(("forward", half)), card).step_ms == pytest.approx(0.2)
    assert roofline(_trace(("forward", brain)), card).step_ms == pytest.approx(0.4)
    assert predict(_trace(("forward", half)), card).scaled  # nothing was measured in half precision


def test_tf32_is_for_convolutions() -> None:
    """PyTorch's defaults: cuDNN may, matrix products may not."""
    card = replace(CARD, tf32_tflops=20.0)
    assert roofline(_trace(("forward", PRODUCT)), card).step_ms == pytest.approx(2.0)
    assert roofline(_trace(("forward", replace(PRODUCT, tf32=True))), card).step_ms == pytest.approx(1.0)


def test_errors_name_the_field() -> None:
    half = _trace(("forward", replace(PRODUCT, dtype=torch.bfloat16)))
    with pytest.raises(ValueError, match="v100-32gb has no bf16_tflops"):
        predict(half, select_gpus(["v100-32gb"])[0].peaks, "v100-32gb")
    with pytest.raises(ValueError, match="my card has no bandwidth_gbs"):
        predict(_trace(("forward", PRODUCT)), replace(CARD, bandwidth_gbs=None), "my card")
    with pytest.raises(
        ValueError, match="my card has no usable operators .*''.*: name the measured card .* Tesla V100"
    ):
        predict(_trace(("forward", PRODUCT)), replace(CARD, operators=""), "my card")
    with pytest.raises(ValueError, match="the trace has no operators"):
        predict(Trace(), CARD)


def test_the_interval_holds_the_step() -> None:
    own, other = (predict(_trace(("forward", ADDITION)), replace(CARD, scaled=scaled)) for scaled in (False, True))
    for time in (own, other):
        least, most = time.interval_ms
        assert least < time.step_ms < most
        assert least * most == pytest.approx(time.step_ms**2)
    assert other.interval_ms[0] < own.interval_ms[0] < own.interval_ms[1] < other.interval_ms[1]
    peak = roofline(_trace(("forward", ADDITION)), CARD)
    assert peak.interval_ms == (peak.step_ms, peak.step_ms)  # nothing is known of its errors


def test_what_a_prediction_rests_on() -> None:
    norm = Work("broadcast", 0, 500_000_000, 1, torch.float32, group="batch_norm.forward.nchw")
    assert predict(_trace(("forward", ADDITION)), CARD).coverage == 1
    time = predict(_trace(("forward", ADDITION), ("forward", norm)), CARD)
    assert time.coverage == pytest.approx(time.by_kind_ms["elementwise"] / sum(time.by_kind_ms.values()))
    assert time.rests_on == (f"operators of NeuSight measured one by one on {V100}",)
    assert predict(_trace(("forward", norm)), CARD).rests_on == ()


@pytest.mark.parametrize(("phase", "expected"), [("backward", "train"), ("forward", "inference")])
def test_a_step_with_a_backward_pass_is_training(phase: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def calibration_of(card: str, mode: str) -> None:
        asked.append((card, mode))

    monkeypatch.setattr("drystep.time.prices.calibration_of", calibration_of)
    predict(_trace((phase, ADDITION)), replace(CARD, factors="mine"))
    assert asked == [("mine", expected)]


def test_parts_of_one_operator_are_launched_together() -> None:
    """A convolution and the sum with its bias: two kernels, one call."""
    tiny = replace(ADDITION, moved_bytes=500)
    trace = Trace(operators=[Operator("conv", "forward")], work=[(0, tiny), (0, tiny)], steady_steps=1)
    assert predict(trace, CARD).step_ms == pytest.approx(achieved_on(CARD, "card").launch_us / 1e3, rel=0.01)


def test_from_a_simulation() -> None:
    def build_step(device: torch.device):
        layer = torch.nn.Linear(512, 512, device=device)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        x = torch.empty(4096, 512, device=device)

        def step() -> None:
            optimizer.zero_grad()
            layer(x).sum().backward()
            optimizer.step()

        return step

    simulation = simulate(build_step, gpus=["v100-32gb"])
    time = simulation.step_time("v100-32gb")
    assert time.step_ms > roofline(simulation.trace, select_gpus(["v100-32gb"])[0].peaks).step_ms
    assert min(time.forward_ms, time.backward_ms, time.optimizer_ms) > 0
    unknown = Gpu("mine", "mine", 8000, 500)
    with pytest.raises(ValueError, match="mine has no "):
        simulation.step_time(unknown)


def test_every_card_of_the_data_knows_every_kind() -> None:
    products = [Work(kind, 10**9, 10**6, 1, torch.float32, n, k) for kind in ("linear", "bmm", "conv", "attention")
                for n in (8, 48, 100, 300) for k in (64, 8192)]  # fmt: skip
    rows = [Work(kind, 0, 10**8, 1, torch.float32, 0, n) for kind in ("softmax", "layer_norm") for n in (49, 4096)]
    kinds = ("elementwise", "broadcast", "copy", "gather", "dropout", "optimizer", "layer_norm_backward")
    others = [Work(kind, 0, 10**8, 1, torch.float32) for kind in kinds]
    for achieved in measured_cards().values():
        assert 1 < achieved.launch_us < 60
        for work in products:
            assert 0 < achieved.fraction(work, 100.0) < 2.25  # Winograd's F(2x2, 3x3) multiplies 2.25 times less
        for work in rows + others:
            assert 0 < achieved.fraction(work, 100.0) <= 1


def test_bytes_of_any_type_are_measured_ones() -> None:
    """What only moves bytes has no precision of its own; what computes in another than float32 was not measured."""
    card = replace(CARD, fp16_tflops=100.0)
    for dtype in (torch.float16, torch.bfloat16, torch.int64):
        assert not predict(_trace(("forward", PRODUCT), ("backward", replace(ADDITION, dtype=dtype))), card).scaled
    assert predict(_trace(("forward", PRODUCT), ("backward", replace(PRODUCT, dtype=torch.float16))), card).scaled
    assert predict(_trace(("forward", PRODUCT)), replace(card, scaled=True)).scaled
