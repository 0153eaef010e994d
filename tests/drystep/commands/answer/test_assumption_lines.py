"""How the reads of a step are printed on a terminal of 80 columns."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from drystep.commands.answer.assumption_lines import print_assumptions, print_shares
from drystep.commands.terminal import stdout
from drystep.values.assumptions import Assumption

MIB = 1 << 20
MASK = Assumption(
    asked="rows of aten.nonzero.default, of at most 242991",
    operator="aten.nonzero.default",
    where="train.py:12 (`losses = model(images, targets)`)",
    library="torchvision/models/detection/rpn.py:308 filter_proposals",
    kind="assumed",
    answers=(242991, 17),
    times=6,
    names=("rpn.py:308", "RegionProposalNetwork.filter_proposals", "train.py:12", "step"),
    most_rows=242991,
)
FOLLOWS = replace(
    MASK, library="", names=(), note="it follows from another assumption", answers=(3,), times=1, where=""
)
NUMBER = replace(MASK, asked="a number, as by .item()", kind="stated", answers=(0.5,), times=1, library="")
KNOWN = replace(NUMBER, kind="known", answers=(3,), names=("train.py:9", "step"))
DRAWN = replace(KNOWN, note="from random numbers that were drawn", names=(), where="train.py:9 (`x.item()`)")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The lines that are printed of some reads."""
    monkeypatch.setattr(stdout, "_width", 80)

    def lines(reads: Sequence[Assumption], with_all: bool, rows: Any = None) -> list[str]:
        fields = [{**asdict(read), "said": read.said, "text": str(read)} for read in reads]
        print_assumptions({"assumptions": fields, "assumed_rows": rows}, with_all)
        return capsys.readouterr().out.splitlines()

    return lines


def test_a_block_for_each_read_the_assumed_ones_first(printed) -> None:
    assert printed([KNOWN, NUMBER, DRAWN, FOLLOWS, MASK], True) == [
        "assumed: rows of aten.nonzero.default, of at most 242991 = 242991, 17, asked 6",
        "  times",
        "    at train.py:12 (`losses = model(images, targets)`)",
        "    in torchvision/models/detection/rpn.py:308 filter_proposals",
        "    --oracle rpn.py:308=ANSWER (or under RegionProposalNetwork.filter_proposals,",
        "      train.py:12, step)",
        "assumed: rows of aten.nonzero.default, of at most 242991 = 3 (it follows from",
        "  another assumption)",
        "    at a line outside the program",
        "stated: a number, as by .item() = 0.5",
        "    at train.py:12 (`losses = model(images, targets)`)",
        "    --oracle rpn.py:308=ANSWER (or under RegionProposalNetwork.filter_proposals,",
        "      train.py:12, step)",
        "known:",
        "    train.py:9: a number, as by .item() = 3",
        "    train.py:9 (`x.item()`): a number, as by .item() = 3 (from random numbers",
        "      that were drawn)",
    ]


def test_one_line_says_that_there_are_assumed_reads(printed) -> None:
    assert printed([MASK, KNOWN, FOLLOWS], False) == ["assumed: 1 read, see --assumptions"]
    assert printed([MASK, MASK, NUMBER], False) == ["assumed: 2 reads, see --assumptions"]
    assert printed([NUMBER, KNOWN, FOLLOWS], False) == []
    assert printed([], True) == ["The step reads no value on the device."]


def test_what_a_program_says_is_neither_markup_nor_steers_the_terminal(printed) -> None:
    read = replace(MASK, where="[bold]a.py[/bold]:1 (`x\x1b[2J`)", library="[/x]", names=("[red]",), answers=("[i]",))
    assert printed([read], True) == [
        "assumed: rows of aten.nonzero.default, of at most 242991 = [i], asked 6 times",
        r"    at [bold]a.py[/bold]:1 (`x\x1b[2J`)",
        "    in [/x]",
        "    --oracle [red]=ANSWER",
    ]


def test_names_stay_whole_so_that_they_can_be_copied(printed) -> None:
    name = f"{'folder-of-a-user/' * 6}train.py:3"
    assert f"      {name}" in printed([replace(MASK, where=f"{name} (`x`)")], True)


@pytest.mark.parametrize(
    ("least_bytes", "lines"),
    [
        (
            int(20.25 * MIB),
            [
                "4,096.00 MiB allocated with all the rows that were assumed, and 20.25 MiB with",
                "  as few as the step runs with.",
            ],
        ),
        (4096 * MIB, ["4,096.00 MiB allocated with all the rows that were assumed, and as much without", "  any."]),
        (
            None,
            [
                "4,096.00 MiB allocated with all the rows that were assumed; without any, the",
                "  step cannot be simulated.",
            ],
        ),
    ],
)
def test_what_hangs_on_assumed_rows(printed, least_bytes: int | None, lines: list[str]) -> None:
    hinges = [
        {**asdict(MASK), "peak_without_bytes": 30 * MIB},
        {**asdict(replace(MASK, names=(), where="", most_rows=7)), "peak_without_bytes": 40 * MIB},
    ]
    rows = {"least_bytes": least_bytes, "most_bytes": 4096 * MIB, "hinges": hinges}
    assert printed([], False, rows) == [
        *lines,
        "    30.00 MiB without those of rpn.py:308 alone, which are at most 242991",
        "    40.00 MiB without those of a line outside the program alone, which are at",
        "      most 7",
    ]


def test_shares_of_a_real_run(printed, capsys: pytest.CaptureFixture[str]) -> None:
    """Of which 33 1/3 % are written with three digits."""
    print_shares([["train.py:3", "aten.nonzero.default", 1, 3], ["nms", "torchvision.nms.default", 2, 2]], False)
    assert capsys.readouterr().out.splitlines() == [
        "--oracle train.py:3=33.3%   # measured: 1 of 3 rows of aten.nonzero.default",
        "--oracle nms=100%   # measured: 2 of 2 rows of torchvision.nms.default",
    ]
    print_shares([], False)
    assert capsys.readouterr().out == "In a real run, the step asks for no rows whose number depends on values.\n"
