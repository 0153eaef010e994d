"""`drystep calibrate --from TABLE.csv`: a card's factors from measured steps."""

from pathlib import Path

import pytest

from drystep.calibration.step_table import FEWEST_MODELS
from drystep.commands.cli import main
from drystep.time.calibrated.calibration import read_calibration
from tests.drystep.calibration.made_up_steps import MODELS, counted, write_table


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Steps of small models, which are traced in this process."""
    monkeypatch.setattr("drystep.calibration.fitting.count_all", lambda rows, on_each: counted())
    path = tmp_path / "steps.csv"
    write_table(path)
    return path


def test_a_table_of_measured_steps(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "card.json"
    given = ["--source", "made up", "--measured-with", "nothing"]
    assert main(["calibrate", "--from", str(table), "--gpu", "rtx-3090-24gb", "--out", str(out), *given]) == 0
    calibration = read_calibration(out)
    assert (calibration.card, calibration.mode) == ("rtx-3090-24gb", "inference")
    assert (calibration.source, calibration.measured_with) == ("made up", "nothing")
    errors, captured = calibration.errors, capsys.readouterr()
    assert captured.out == (
        f"rtx-3090-24gb, inference: {len(MODELS)} steps of {calibration.families} families; families predicted by the "
        f"others: mean error {errors.mean:.1f} %, median {errors.median:.1f} %, 90th percentile "
        f"{errors.percentile_90:.1f} %\n"
    )
    assert f'a GPU class takes them by factors = "{out}"' in " ".join(captured.err.split())


def test_a_calibration_has_the_classes_name_and_says_what_is_not_stated(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "--from", str(table), "--gpu", "rtx-3090-24gb"]) == 0
    calibration = read_calibration(tmp_path / "rtx-3090-24gb.json")
    assert (calibration.source, calibration.measured_with) == ("steps.csv", "not stated")


def test_a_table_for_a_card_of_ones_own(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cards = tmp_path / "cards.toml"
    peaks = "fp32_tflops = 35.6\ntf32_tflops = 35.6\nbandwidth_gbs = 936\n"
    arguments = ["calibrate", "--from", str(table), "--gpu", "mine", "--gpu-file", str(cards), "--out"]
    cards.write_text(f"[mine]\nvisible_mib = 24000\n{peaks}")
    assert main([*arguments, str(tmp_path / "mine.json")]) == 2
    assert "mine has no multiprocessors: a step time needs it" in " ".join(capsys.readouterr().err.split())
    cards.write_text(f"[mine]\nvisible_mib = 24000\n{peaks}multiprocessors = 82\n")
    assert main([*arguments, str(tmp_path / "mine.json")]) == 0
    assert read_calibration(tmp_path / "mine.json").card == "mine"


FEW = [f"timm:{model},512,64,fp32,100,inference" for model in MODELS[: FEWEST_MODELS - 1]]
ALL = [f"timm:{model},512,64,fp32,100,inference" for model in MODELS]
BAD_TABLES = {
    "empty": ([], "steps.csv"),
    "few models": (FEW, f"{FEWEST_MODELS - 1} models: a calibration needs at least {FEWEST_MODELS}"),
    "one model in many sizes": (
        [f"timm:resnet50,1,{size},fp32,9,train" for size in range(64, 128)],
        "1 models: a calibration needs at least 20",
    ),
    "both modes": (
        [*ALL, "timm:resnet50,512,64,fp32,100,train"],
        "has steps of inference and train: give each a table of its own",
    ),
    "another model": ([*ALL, "timm:none,1,64,fp32,9,train"], f"steps.csv:{len(ALL) + 2}: timm"),
    "a bad number": (["timm:resnet50,1,64,fp32,quick,train"], "steps.csv:2: milliseconds is 'quick', not a number"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_tables_that_cannot_be_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    lines, message = BAD_TABLES[name]
    table = tmp_path / "steps.csv"
    table.write_text("\n".join(["spec,batch,size,precision,milliseconds,mode", *lines, ""]))
    out = tmp_path / "card.json"
    assert main(["calibrate", "--from", str(table), "--gpu", "rtx-3090-24gb", "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in " ".join(captured.err.split())
    assert not captured.out and not out.exists()


def test_a_time_in_another_unit_names_table_and_line(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = table.read_text().splitlines()
    *fields, milliseconds, mode, version = lines[3].split(",")
    lines[3] = ",".join([*fields, str(float(milliseconds) * 1000), mode, version])
    table.write_text("\n".join(lines))
    assert main(["calibrate", "--from", str(table), "--gpu", "rtx-3090-24gb", "--out", str(table) + ".json"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"error: {table}: line 4: a step of timm:{MODELS[2]} with 512 images cannot take" in said
    assert said.endswith("the time may be in another unit")


def test_steps_of_one_family_alone(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "steps.csv"
    write_table(table)
    monkeypatch.setattr("drystep.calibration.fitting.count_all", lambda rows, on_each: counted())
    monkeypatch.setattr("drystep.calibration.step_table.family_of", lambda model: "resnet")
    assert main(["calibrate", "--from", str(table), "--gpu", "rtx-3090-24gb", "--out", str(table) + ".json"]) == 2
    assert "error: all steps are of the family resnet" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "{table}"], "--from needs --gpu, the class on which the steps were measured: `drystep gpus` lists"),
        (["--from", "{table}", "--gpu", "rtx-3091"], "unknown GPU 'rtx-3091': did you mean rtx-3090-24gb?"),
        (["--from", "none.csv", "--gpu", "rtx-3090-24gb"], "cannot read measured steps from none.csv: No such file"),
        (["--from", "{table}", "--gpu", "rtx-3090-24gb", "--out", "{folder}"], "it is a folder"),
        (
            ["--from", "{table}", "--gpu", "rtx-3090-24gb", "--out", "{table}/card.json"],
            "cannot write the calibration to",
        ),
        (["--gpu", "rtx-3090-24gb"], "--gpu, --gpu-file, --source and --measured-with belong to --from TABLE.csv"),
        (["--source", "somewhere"], "belong to --from TABLE.csv"),
    ],
)
def test_arguments_that_cannot_be(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = [argument.format(table=table, folder=tmp_path) for argument in arguments]
    assert main(["calibrate", *given]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in " ".join(captured.err.split())
    assert not list(tmp_path.glob("*.json"))
