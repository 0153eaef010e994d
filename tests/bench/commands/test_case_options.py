"""What a case can say stands in one place: options of commands, their help and titles follow from it."""

from dataclasses import replace

import pytest

from bench.cases.case import DEFAULTS, IN_FIRST_WORDS, OPTIONS, Case
from bench.commands.case_options import takes_cases
from bench.commands.cli import main

ENGINE_IS_FIXED = ("fit", "explain")
OTHER = {"alloc_conf": "expandable_segments:True"}
"""Values of fields that are neither switches nor numbers."""


@pytest.mark.parametrize("command", ["run", "fit", "explain"])
def test_every_field_is_an_option_with_its_help(command: str, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setenv("TERMINAL_WIDTH", "500")
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, option in OPTIONS.items():
        if name == "engine" and command in ENGINE_IS_FIXED:
            assert "--engine" not in said
            continue
        assert f"--{name.replace('_', '-')} " in said
        assert " ".join(option.help.split()) in said
        assert option.help.endswith(".") or "; default" in option.help


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - IN_FIRST_WORDS - {"optimizer"}))  # there is one
def test_a_title_says_every_setting_that_is_not_the_default(name: str) -> None:
    plain = Case(task="coco", method="e3va", engine="simulate")
    choices = [value for value in OPTIONS[name].choices if value != getattr(plain, name)]
    other = choices[0] if choices else True if DEFAULTS[name] is False else OTHER.get(name)
    other = (getattr(plain, name) or 0) + 5 if other is None else other
    changed = {name: other, "batches": 2} if name == "stretch" else {name: other}
    assert replace(plain, **changed).title.startswith(f"{plain.title}, ")
    assert plain.title == "coco swin_base e3va 2x800x1344 simulate"


def test_options_become_cases() -> None:
    found: list[Case] = []

    @takes_cases(repeatable=("task", "method", "precision"), defaults={"precision": ["amp-fp16"]}, engine="simulate")
    def command(cases: list[Case], extra: int = 3) -> int:
        found[:] = cases
        return extra

    nothing = {name: False if DEFAULTS[name] is False else None for name in OPTIONS if name != "engine"}
    named = {**nothing, "task": ["voc"], "method": ["full", "e3va", "full"], "precision": [], "image_size": "64x96"}
    assert command(**named, extra=7) == 7
    assert [(case.method, case.precision, case.image_size, case.engine) for case in found] == [
        ("full", "amp-fp16", (64, 96), "simulate"),
        ("e3va", "amp-fp16", (64, 96), "simulate"),
    ]
