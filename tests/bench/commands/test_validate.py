"""`python -m bench validate` takes the tables of others as `drystep validate` does."""

import json
from pathlib import Path

from bench.commands.cli import main
from tests.drystep.commands.validation.test_reports_command import OURS, STEPS
from tests.drystep.validation.field_reports.test_rows import table


def test_published_figures_of_others(tmp_path: Path, capsys) -> None:
    rebuilds = tmp_path / "steps.py"
    rebuilds.write_text(STEPS)
    command = ["validate", "--reports", str(table(tmp_path, **OURS)), "--rebuilds", str(rebuilds), "--json"]
    assert main(command) == 0
    kinds = [next(iter(json.loads(line))) for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["report", "report_summary", "rival_summary"]  # nothing of the suite's own models


def test_the_suites_own_rows_are_a_kind(capsys) -> None:
    assert main(["validate", "--only", "nosuch"]) == 2
    assert "choose from xmem, reports, step-times, suite" in capsys.readouterr().err
    assert main(["validate", "--rebuilds", "steps.py"]) == 2
    assert "--rebuilds needs --reports FILE.csv" in capsys.readouterr().err


def test_memtracker_is_about_memory(capsys) -> None:
    assert main(["validate", "--only", "step-times", "--memtracker"]) == 2
    assert "--memtracker compares memory: leave it out where step times are checked" in capsys.readouterr().err
