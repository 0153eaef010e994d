import json
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.validation.ground_truth import STEPS
from drystep.validation.step_check import ALL, StepCheck, summarise_steps, trace_timed
from drystep.validation.step_labels import read_steps

HEADER = "model,mode,batch,seq,gpu,e2e_ms,fw_ms,bw_ms,dtype\n"
ROW = "bert_large,inf,8,512,Tesla V100-PCIE-32GB,257.422,257.422,0.0,fp32\n"


def test_the_sample_is_read() -> None:
    steps = read_steps(STEPS)
    assert len(steps) == 39
    assert steps[0].forward_ms + steps[0].backward_ms == pytest.approx(steps[0].step_ms, abs=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,batch\n", ":1: not a table of step times: the header lacks mode, seq, gpu"),
        (HEADER, "no measured step: give a table with the columns model"),
        (
            HEADER + ROW.replace("bert_large", "bert_huge"),
            ":2: unknown model 'bert_huge': did you mean bert_large.* choose from bert_large",
        ),
        (HEADER + ROW.replace("Tesla V100", "Tesla V900"), ":2: unknown gpu .* choose from"),
        (HEADER + ROW.replace("inf", "test"), ":2: unknown mode 'test': choose from inf, train"),
        (HEADER + ROW.replace("257.422,257.422", "-1,257.422"), ":2: e2e_ms is '-1', not a positive number"),
        (HEADER + ROW.replace("fp32", "fp16"), ":2: dtype is 'fp16', not fp32"),
        (HEADER + "bert_large,inf\n", ":2: "),
    ],
)
def test_bad_tables_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_steps(path)


def test_a_missing_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--step-time", "nowhere.csv"]) == 2
    assert "cannot read measured steps from nowhere.csv: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["bert_large", "gpt2_large", "gpt3_xl", "gpt3_27", "opt_13"])
def test_models_compute_the_products_that_the_source_counted(model: str) -> None:
    """The source's checksum, in tenths of a GFLOP."""
    pytest.importorskip("transformers")
    step = next(step for step in read_steps(STEPS) if step.model == model)
    gflop = sum(work.flops for _, work in trace_timed(step).work) / 1e9
    assert gflop == pytest.approx(step.gemm_gflop, abs=0.11)


def test_a_summary_by_hand() -> None:
    checks = [
        StepCheck("a", "x", "", 110, 110, 0, 80, 100),
        StepCheck("b", "x", "", 80, 80, 0, 60, 100),
        StepCheck("c", "y", "", 100, 100, 0, 100, 100),
    ]
    x, y, everything = summarise_steps(checks)
    assert (x.card, x.steps, x.error_percent, x.roofline_error_percent) == (
        "x",
        2,
        pytest.approx(15),
        pytest.approx(30),
    )
    assert (y.card, y.error_percent) == ("y", 0)
    assert (everything.card, everything.error_percent) == (ALL, pytest.approx(10))


@pytest.mark.nightly
def test_predictions_are_as_good_as_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    """V100 and P100 within 10 %, all within 15 %, on the mean; a plain roofline is worse everywhere."""
    pytest.importorskip("transformers")
    assert main(["validate", "--step-time", str(STEPS), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    errors = [line["step"] for line in lines if "step" in line]
    known = [abs(e["error_percent"]) for e in errors if e["card"].startswith(("Tesla V100", "Tesla P100"))]
    assert sum(known) / len(known) <= 10
    summaries = {line["step_summary"]["card"]: line["step_summary"] for line in lines if "step_summary" in line}
    assert summaries[ALL]["error_percent"] <= 15
    assert all(s["error_percent"] < s["roofline_error_percent"] for s in summaries.values())
