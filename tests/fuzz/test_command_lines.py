"""Command lines of which something is wrong: each is refused in words, and nothing is measured."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.cases.case import OPTIONS
from bench.commands.cli import main as bench
from drystep.commands.cli import main as drystep
from drystep.commands.step_options import parse_oracles
from drystep.fit.asked import AskedStep
from drystep.fit.session import FitSession
from drystep.gpus.classes import select_gpus
from drystep.values.oracles import Oracles
from tests.fuzz.commands import answer, require_refusal, require_words
from tests.fuzz.inputs import NASTY_TEXTS, numbers, texts, written

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


STEP = """
import torch

def build_step(device):
    layer = torch.nn.Linear(4, 4).to(device)
    data = torch.empty(6, 4, device=device)

    def step():
        y = layer(data).detach()
        y[y[:, 0] > 0].unique(dim=0)
        torch.repeat_interleave(y[:, 0], y[:, 1].long())
        if y.sum().item() > 2:
            y[:2, :3].long().tolist()

    return step
"""
"""A step that asks for rows with and without a limit, a number, and a list."""
NAMES = (
    "rows",
    "item",
    "nonzero",
    "unique",
    "unique_dim",
    "repeat_interleave",
    "step",
    "build_step.step",
    "train.py:13",
)
ELSEWHERE = "loss"
"""A name that takes every form of answer."""
wrong_parts = st.sampled_from(
    ["null", '"3"', "{}", "NaN", "Infinity", "-Infinity", "1e400", "[]", "9" * 30, "[" * 70 + "1" + "]" * 70, "x", ""]
)
"""What makes a list no answer."""
numbers_in_text = st.integers(-(2**64), 2**64).map(str) | st.floats().map(str)
shares_in_text = numbers_in_text.map(lambda text: f"{text}%")
in_turn = st.lists(numbers_in_text | shares_in_text | st.just(""), max_size=4).map(",".join)
lists = st.recursive(numbers | st.just(True), lambda inner: st.lists(inner, max_size=4), max_leaves=8).map(written)
answers = numbers_in_text | shares_in_text | in_turn | lists | texts


@pytest.mark.parametrize("text", NASTY_TEXTS)
def test_an_oracle_that_is_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("def build_step(device):\n    return lambda: None\n")
    for oracle in (text, f"rows={text}", f"item={text}" if text != "-1" else "item", f"={text}"):
        if oracle in MEANT:
            continue
        require_refusal(answer(drystep, ["fit", f"{file}:build_step", "--oracle", oracle]))


@given(before=st.lists(st.sampled_from(["1", "0.5", "[2, 3]"]), max_size=3), wrong=wrong_parts)
def test_a_list_that_is_no_answer(before: list[str], wrong: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("oracle") / "train.py"
    file.write_text(STEP)
    text = f"[{', '.join([*before, wrong])}]"
    require_refusal(answer(drystep, ["fit", f"{file}:build_step", "--oracle", f"{ELSEWHERE}={text}"]))
    require_refusal(answer(drystep, ["fit", f"{file}:build_step", "--oracle", f"rows={text}"]))


@given(percent=st.floats().filter(lambda percent: not 0 <= percent <= 100))
def test_a_share_that_is_none(percent: float) -> None:
    with pytest.raises(ValueError, match="share of rows must be from 0|is not NAME=NUMBER"):
        parse_oracles([f"{ELSEWHERE}={percent}%"])


@given(name=st.sampled_from(NAMES) | texts, text=answers)
def test_a_statement_is_refused_or_understood(name: str, text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the command line accepts comes to the child as it is, and answers, fails in words, or is warned about."""
    try:
        oracles = parse_oracles([f"{name}={text}"])
    except ValueError as error:
        assert str(error).isprintable() or not text.isprintable() or not name.isprintable()
        assert len(str(error)) < 10_000
        return
    fields = json.loads(json.dumps(asdict(oracles)))
    assert Oracles.from_fields(fields) == oracles
    file = tmp_path_factory.mktemp("oracle") / "train.py"
    file.write_text(STEP)
    asked = AskedStep(f"{file}:build_step", oracles=oracles)
    session = FitSession(lambda phase: None, asked.to_fields(), [asdict(select_gpus(["p100-16gb"])[0])])
    answered = session.fit()
    key = next(iter(answered))
    assert key in ("rows", "failed"), answered
    if key == "failed":
        assert "oracle" in answered["failed"], answered
        assert "TypeError" not in answered["failed"] and "OverflowError" not in answered["failed"], answered
    else:
        json.dumps(answered)
        stated = any(read["kind"] == "stated" for read in answered["rows"][0]["assumptions"])
        warned = any("was never asked" in warning for warning in answered["rows"][0]["warnings"])
        assert stated != warned, answered


@given(
    options=st.lists(
        st.sampled_from(["--assumptions", "--strict", "--throughput", "--json", "--oracle=rows=3", "--batch-size=2"]),
        min_size=1, max_size=3, unique=True,
    )
)  # fmt: skip
def test_options_that_a_probe_has_no_use_for(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    assume(options != ["--json"])
    file = tmp_path_factory.mktemp("probe") / "train.py"
    file.write_text(STEP)
    require_refusal(answer(drystep, ["fit", f"{file}:build_step", "--probe", *options]))


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
