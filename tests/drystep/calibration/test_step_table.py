"""Tables of measured steps: what a row means, and what is refused with its line."""

from pathlib import Path

import pytest
import timm

from drystep.calibration.step_table import FEWEST_MODELS, family_of, read_table
from drystep.calibration.traced import StepToTrace
from drystep.cuda.rules import VERSIONS

HEADER = "spec,batch,size,precision,milliseconds"
GOOD = "timm:resnet50,8,224,fp32,40.5"
MODELS = timm.list_models("resnet*")[:FEWEST_MODELS]


def _write(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "steps.csv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


def test_a_row(tmp_path: Path) -> None:
    others = [f"timm:{model},8,224,fp32,40.5" for model in MODELS[1:]]
    first, *rest = read_table(_write(tmp_path, f"timm:{MODELS[0]},256,160,amp-fp16,12.5", *others))
    assert first.step == StepToTrace(MODELS[0], 256, 160, "amp-fp16", "train", "nchw", VERSIONS[-1])
    assert (first.line, first.milliseconds, first.family) == (2, 12.5, "resnet")
    assert [row.step.model for row in rest] == MODELS[1:]
    assert [row.line for row in rest] == list(range(3, FEWEST_MODELS + 2))


def test_columns_that_a_table_may_have(tmp_path: Path) -> None:
    """In any order, with others between them; empty fields mean what is common."""
    rows = [f"inference,{model},1,timm:{model},2.0,32,x,nhwc,amp-bf16" for model in MODELS]
    rows[0] = f"inference,,1, timm:{MODELS[0]} ,,32,,,fp32"
    header = "mode,comment,milliseconds,spec,torch,size,remark,layout,precision"
    path = _write(tmp_path, *(row + ",4" for row in rows), header=header + ",batch")
    first, second, *_ = (row.step for row in read_table(path))
    assert first == StepToTrace(MODELS[0], 4, 32, "fp32", "inference", "nchw", VERSIONS[-1])
    assert second == StepToTrace(MODELS[1], 4, 32, "amp-bf16", "inference", "nhwc", "2.0")


def test_a_table_of_a_spreadsheet(tmp_path: Path) -> None:
    """With a byte order mark, and lines that end as on Windows."""
    path = tmp_path / "steps.csv"
    lines = [HEADER, *(f"timm:{model},8,224,fp32,40.5" for model in MODELS)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert len(read_table(path)) == FEWEST_MODELS


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("timm:resnet5O,8,224,fp32,40", r"timm [0-9.]+ has no model 'resnet5O': see timm\.list_models\(\)"),
        ("timm:,8,224,fp32,40", r"timm [0-9.]+ has no model ''"),
        ("resnet50,8,224,fp32,40", "spec is 'resnet50': write timm: and a model's name, such as timm:resnet50"),
        (",8,224,fp32,40", "spec is '': write timm:"),
        ("timm:resnet50,eight,224,fp32,40", "batch must be a whole number between 1 and 65536, got 'eight'"),
        ("timm:resnet50,,224,fp32,40", "batch must be a whole number between 1 and 65536, got ''"),
        ("timm:resnet50,-8,224,fp32,40", "batch must be a whole number between 1 and 65536, got '-8'"),
        ("timm:resnet50,0,224,fp32,40", "batch must be between 1 and 65536, got 0"),
        ("timm:resnet50,8,224.5,fp32,40", r"size must be a whole number between 1 and 16384, got '224\.5'"),
        ("timm:resnet50,8,99999,fp32,40", "size must be between 1 and 16384, got 99999"),
        ("timm:resnet50,8,224,fp32,fast", "milliseconds is 'fast', not a number"),
        ("timm:resnet50,8,224,fp32,", "milliseconds is '', not a number"),
        ("timm:resnet50,8,224,fp32", "milliseconds is '', not a number"),
        ("timm:resnet50,8,224,fp32,-40", "milliseconds is '-40', not a positive number"),
        ("timm:resnet50,8,224,fp32,0", "milliseconds is '0', not a positive number"),
        ("timm:resnet50,8,224,fp32,nan", "milliseconds is 'nan', not a positive number"),
        ("timm:resnet50,8,224,fp32,inf", "milliseconds is 'inf', not a positive number"),
        ("timm:resnet50,8,224,fp8,40", "unknown precision 'fp8': choose from fp32, amp-fp16, amp-bf16"),
        (f"{GOOD},eval", "unknown mode 'eval': choose from train, inference"),
        (f"{GOOD},train,channels_last", "unknown layout 'channels_last': choose from nchw, nhwc"),
        (f"{GOOD},train,nchw,1.2", r"unknown version of PyTorch '1\.2': choose from .*2\.0"),
    ],
)
def test_bad_rows_are_refused_with_their_line(tmp_path: Path, row: str, message: str) -> None:
    path = _write(tmp_path, GOOD, GOOD, row, GOOD, header=f"{HEADER},mode,layout,torch")
    with pytest.raises(ValueError, match=rf"steps\.csv:4: {message}"):
        read_table(path)


def test_a_bad_number_of_many_digits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"steps\.csv:2: batch must be .*between 1 and 65536, got "):
        read_table(_write(tmp_path, f"timm:resnet50,{'9' * 5000},224,fp32,40"))


def test_a_header_that_lacks_columns(tmp_path: Path) -> None:
    path = _write(tmp_path, "timm:resnet50,8,fp32", header="spec,batch,precision")
    with pytest.raises(ValueError, match=r"steps\.csv:1: not a table of measured steps: .* lacks size, milliseconds"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the header lacks spec, batch, size, precision, milliseconds"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not a text table"),
        (b"\x00" * 100, "not a table of measured steps"),
        (HEADER.encode() + b"\n" + b"x" * 200_000, "not a text table: field larger than field limit"),
    ],
    ids=["empty", "a picture", "zeros", "a long line"],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "steps.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"steps\.csv.*: {message}"):
        read_table(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read measured steps from .*none\.csv: No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="cannot read measured steps from .*: Is a directory"):
        read_table(tmp_path)


def test_families_are_modules_of_timm() -> None:
    assert family_of("resnet50") == family_of("resnet18.a1_in1k") == family_of("wide_resnet50_2") == "resnet"
    assert family_of("vit_base_patch16_224") != family_of("swin_tiny_patch4_window7_224")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tf_efficientnet_b0_ns", "tf_efficientnet_b0"),
        ("vit_tiny_patch16_224_in21k", "vit_tiny_patch16_224"),
    ],
)
def test_old_names_are_of_the_family_of_the_new(old: str, new: str) -> None:
    """timm has all old names in one module of its own, where alike models would look like families apart."""
    assert family_of(old) == family_of(new)


def test_names_that_timm_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models.get_deprecated_models", lambda: {"resnet50": None})
    with pytest.raises(ValueError, match="has no model 'resnet50'"):
        family_of("resnet50")
