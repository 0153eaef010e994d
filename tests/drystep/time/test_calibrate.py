from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drystep.commands.cli import main
from drystep.gpus.classes import read_gpus
from drystep.gpus.peaks import Peaks
from drystep.time.calibrate import Measurement, measure_card, peaks_from, toml_block
from drystep.time.predict import predict
from drystep.time.work import Work
from drystep.trace.trace import Operator, Trace

P100 = Peaks(fp32_tflops=12.0, bandwidth_gbs=600.0, operators="Tesla P100-PCIE-16GB")


def _measured(field: str, work: Work, peaks: Peaks) -> Measurement:
    """What a card with these peaks and the P100's curves would show."""
    trace = Trace(operators=[Operator(work.kind, "forward")], work=[(0, work)])
    time = predict(trace, peaks)
    return Measurement(field, work, 1e3 * (time.step_ms - time.launch_bound_ms))


def test_the_peaks_of_a_card_come_back() -> None:
    products = [Work("linear", 2 * n**3, 12 * n * n, 1, torch.float32, n, n) for n in (2048, 4096, 8192)]
    found = [_measured("fp32_tflops", work, P100) for work in products]
    found.append(_measured("bandwidth_gbs", Work("elementwise", 0, 1 << 29, 1, torch.float32), P100))
    card, peaks = peaks_from(found)
    assert card == P100.operators
    assert peaks == pytest.approx({"fp32_tflops": 12.0, "bandwidth_gbs": 600.0}, rel=1e-3)


def test_a_block_is_a_class(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    peaks = {"fp32_tflops": 12.3456, "bandwidth_gbs": 600.0}
    path.write_text(toml_block("my-card", 'A "card"', 8000, 400, P100.operators, peaks))
    gpu = read_gpus(path)["my-card"]
    assert (gpu.label, gpu.visible_mib, gpu.context_mib) == ('A "card"', 8000, 400)
    assert replace(gpu.peaks, peaks_source="") == replace(P100, fp32_tflops=12.35)


def test_it_measures_whatever_device_there_is() -> None:
    found = measure_card(torch.device("cpu"), sides=(32, 64), memory_bytes=1 << 16)
    assert [measurement.field for measurement in found] == ["fp32_tflops"] * 2 + ["bandwidth_gbs"] * 3
    assert all(measurement.time_us > 0 for measurement in found)
    assert set(peaks_from(found)[1]) == {"fp32_tflops", "bandwidth_gbs"}


def test_nothing_measured() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        peaks_from([])


def test_without_a_card(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["calibrate"]) == 2
    assert "error: no CUDA device: calibrate measures the card at hand" in capsys.readouterr().err
