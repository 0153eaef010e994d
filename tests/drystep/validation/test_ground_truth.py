import csv
from pathlib import Path

import pytest

from drystep.validation.ground_truth import SAMPLE, CappedRun, read_runs


def _edited(folder: Path, line: int, **fields: str) -> Path:
    """The sample with other values in one line (the header is line 1)."""
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[line - 2].update(fields)
    path = folder / "edited.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_sample_says_what_was_measured() -> None:
    runs = {run.id: run for run in read_runs(SAMPLE)}
    run = runs["RegNetX400MF_SGD_b650_4060"]
    assert (run.kind, run.model, run.optimizer, run.batch_size) == ("cnn", "regnet_x_400mf", "SGD", 650)
    assert (run.image_size, run.num_classes, run.iterations, run.zero_grad_mode) == ((86, 86), 1000, 4, 1)
    assert run.measured_bytes == 3482 * 2**20  # whole MiB, as NVML tells them
    assert not run.oom
    assert run.capped == tuple(CappedRun(fraction, oom=False) for fraction in (0.41, 0.41, 0.45))
    assert runs["ResNet101_Adagrad_b571_3060"].oom
    assert runs["openai-community-gpt2_AdamW_b27_3060"].kind == "transformer"


def test_every_row_of_the_sample_keeps_its_source_and_licence() -> None:
    with SAMPLE.open(newline="") as file:
        assert all(row["source_path"] and len(row["source_commit"]) == 40 for row in csv.DictReader(file))
    assert "Jiabo Shi" in (SAMPLE.parent / "LICENSE.xMem").read_text()


@pytest.mark.parametrize("cut_bytes", [1, 30, 200])
def test_a_truncated_table_is_refused_at_its_last_line(tmp_path: Path, cut_bytes: int) -> None:
    path = tmp_path / "cut.csv"
    path.write_bytes(SAMPLE.read_bytes().rstrip()[:-cut_bytes])
    with pytest.raises(ValueError, match=r"cut\.csv:13: .*truncated\?"):
        read_runs(path)


def test_a_table_cut_inside_quotes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    text = SAMPLE.read_text()
    path.write_text(text[: text.index('"tokens, max') + 9])
    with pytest.raises(ValueError, match=r"cut\.csv:\d+: unexpected end of data"):
        read_runs(path)


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.csv"
    path.write_text("method,memory\nfull,1\n")
    with pytest.raises(ValueError, match=r"foreign\.csv:1: not a table of xMem results: the header lacks id, kind"):
        read_runs(path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "header.csv"
    path.write_text(SAMPLE.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match=r"header\.csv:2: no measured run"):
        read_runs(path)
    path.write_text("")
    with pytest.raises(ValueError, match=r"header\.csv:1: no measured run"):
        read_runs(path)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read measured runs from .*No such file"):
        read_runs(tmp_path / "absent.csv")
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match=r"image\.csv:1: not a text table"):
        read_runs(tmp_path / "image.csv")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "rnn"}, "unknown kind 'rnn': choose from cnn, transformer"),
        ({"model": "timm:resnet18"}, "model is 'timm:resnet18', not torchvision:NAME"),
        ({"batch_size": "0"}, "batch_size is '0', not a positive whole number"),
        ({"measured_peak_bytes": "7.5 GiB"}, "measured_peak_bytes is '7.5 GiB', not a positive whole number"),
        ({"oom": "no"}, "oom is 'no', not 0 or 1"),
        ({"xmem_check_fraction": "62"}, "xmem_check_fraction is '62', not a part of the device"),
        ({"zero_grad_mode": "3"}, "zero_grad_mode is '3', not 0, 1, 2 or empty"),
        ({"input": "86x86"}, "input is '86x86', not an image such as 3x86x86"),
        ({"precision": "fp16"}, "precision is 'fp16', not fp32"),
        ({"lr": "fast"}, "lr is 'fast', not a number"),
    ],
)
def test_a_bad_value_is_named_with_its_line(tmp_path: Path, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=f"edited.csv:5: {message}"):
        read_runs(_edited(tmp_path, line=5, **fields))
