"""Command lines of which something is wrong: each is refused in words, and nothing is measured."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.cases.case import OPTIONS
from bench.commands.cli import main as bench
from drystep.commands.cli import main as drystep
from tests.fuzz.commands import answer, require_refusal, require_words
from tests.fuzz.inputs import NASTY_TEXTS, texts

MINE = ["--task", "voc", "--method", "fixed", "--backbone", "swin_tiny", "--engine", "simulate"]
ON_FLAGS = ("fused_attention", "checkpointing", "bf16_trunk")
OTHER = ("--gpu", "--gpu-file", "--steps", "--time-limit", "--launcher", "--ray-address")


MEANT = [f"{name}={value}" for name in ("rows", "item") for value in ("0", "1e9", "1000000000")] + [
    "item=1.5",
    "item=-1",
]
"""Oracles that are right."""


def _may_be_meant(option: str, value: str) -> bool:
    """Whether a text that was drawn happens to be right."""
    try:
        number = float(value)
    except ValueError:
        return option in ("--method", "--task") and value == ""
    return 0 <= number < 1e5


@given(
    option=st.sampled_from([f"--{name.replace('_', '-')}" for name in OPTIONS if name not in ON_FLAGS] + list(OTHER)),
    value=texts,
    command=st.sampled_from(["run", "fit", "explain"]),
)
def test_a_wrong_value_is_refused(
    option: str, value: str, command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(not _may_be_meant(option, value) and (option, value) != ("--ray-address", ""))
    assume(not (option == "--image-size" and "x" in value and value.replace("x", "").isdigit() and len(value) < 8))
    arguments = [command, *MINE, option, value]
    require_refusal(answer(bench, arguments))


@given(words=st.lists(texts, min_size=1, max_size=4))
def test_words_that_are_no_command(words: list[str]) -> None:
    assume(not {"--help", "-h"} & set(words))
    for main in (bench, drystep):
        require_refusal(answer(main, words))


@given(target=texts, name=texts)
def test_a_target_that_is_none(target: str, name: str) -> None:
    assume(not target.startswith("-"))
    require_refusal(answer(drystep, ["fit", f"{target}:{name}"]))
    assume(not name.startswith("-"))
    require_refusal(answer(drystep, ["fit", target]))


@pytest.mark.parametrize("text", NASTY_TEXTS)
def test_an_oracle_that_is_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("def build_step(device):\n    return lambda: None\n")
    for oracle in (text, f"rows={text}", f"item={text}" if text != "-1" else "item", f"={text}"):
        if oracle in (
            "rows=0",
            "item=0",
            "item=1.5",
            "item=1e9",
            "rows=1e9",
            "item=-1",
            "item=1000000000",
            "rows=1000000000",
        ):
            continue
        require_refusal(answer(drystep, ["fit", f"{file}:build_step", "--oracle", oracle]))


@given(text=texts)
def test_a_tolerance_that_is_none(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("compare") / "empty.jsonl"
    empty.touch()
    for option in ("--memory-tolerance", "--time-tolerance", "--tolerance", "--time-relative-to"):
        answered = answer(bench, ["compare", str(empty), str(empty), option, text])
        require_refusal(answered)


@given(out=texts)
def test_an_output_that_cannot_be(out: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Below a file nothing can be written, whatever its name."""
    file = tmp_path_factory.mktemp("out") / "file"
    file.write_text("theirs")
    place = f"{file}/{out}"
    for arguments in (
        ["run", *MINE, "--out", place],
        ["explain", "--task", "voc", "--out", place],
        ["report", place, "--out", place],
        ["validate", "--out", place],
    ):
        answered = answer(bench, arguments)
        require_words(answered)
        require_refusal(answered, statuses=(1, 2))
    assert file.read_text() == "theirs"
