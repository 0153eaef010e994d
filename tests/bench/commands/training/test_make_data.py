"""`bench make-data`: what it prints, and one sentence for what is wrong."""

import resource
from pathlib import Path

import pytest
import typer

from bench.commands.training.make_data import make_data
from drystep.commands.program.run_app import make_app, run_app

APP = make_app("bench", "0", "A command.", {"make-data": make_data, "other": lambda: 0})
GOOD = ["--task", "voc", "--out", "new", "--train", "4", "--val", "1"]
BAD = [
    (["--task", "vocs"], "unknown task 'vocs': did you mean voc? choose from voc, coco, ade20k"),
    (["--style", "plane"], "unknown style 'plane': did you mean plain? choose from plain, source, target"),
    (["--train", "3"], "the number of training images must be between 4 and 100000, got 3"),
    (["--val", "0"], "the number of validation images must be between 1 and 100000, got 0"),
    (["--size", "63x128"], "a side of the images in pixels must be between 64 and 1024, got 63"),
    (["--size", "96x1025"], "a side of the images in pixels must be between 64 and 1024, got 1025"),
    (["--size", "96"], "image size '96' is not HxW, such as 800x1344"),
    (["--seed", "-1"], "the seed must be between 0 and 4294967295, got -1"),
    (["--out", "FULL"], "FULL is not empty: name a new folder, so that nothing in it is overwritten"),
    (["--out", "FULL/file"], "cannot write to FULL/file: File exists"),
    (["--out", "FULL/file/below"], "cannot write to FULL/file/below: Not a directory"),
    (["--out", "/proc/nowhere"], "cannot write to /proc/nowhere: No such file or directory"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FULL").mkdir()
    Path("FULL/file").write_text("mine")


@pytest.mark.parametrize(("wrong", "said"), BAD, ids=lambda value: " ".join(value)[:20])
def test_what_is_wrong_is_one_sentence(wrong: list[str], said: str, capsys) -> None:
    assert run_app(APP, "bench", ["make-data", *GOOD, *wrong]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {said}\n"
    assert captured.out == ""
    assert [str(path) for path in sorted(Path().rglob("*"))] == ["FULL", "FULL/file"]


def test_a_full_disk_is_one_sentence(capsys) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        assert run_app(APP, "bench", ["make-data", *GOOD]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capsys.readouterr().err == "error: cannot write to new: File too large; nothing was kept\n"
    assert not Path("new").exists()


def test_it_says_what_was_written_and_how_to_go_on(capsys) -> None:
    assert run_app(APP, "bench", ["make-data", *GOOD, "--out", "a new one"]) == 0
    *parts, folder, _, command = capsys.readouterr().out.splitlines()
    assert [part.split(",")[0] for part in parts] == [
        "VOC2007 trainval: 2 images", "VOC2012 trainval: 2 images", "VOC2007 test: 1 image",
    ]  # fmt: skip
    assert folder == "The made-up set is in a new one. Its classes are bottle, car, cat, person."
    assert command.split("--data ")[1].startswith("'a new one' ")
    assert command.startswith("  python -m bench train --task voc ")
    assert Path("a new one/VOCdevkit/VOC2007/JPEGImages/000001.jpg").exists()


def test_options_have_help() -> None:
    command = typer.main.get_command(APP).commands["make-data"]
    assert all(option.help for option in command.params)
