import tomllib
from pathlib import Path

import pytest

from drystep import torch_private
from drystep.torch_private import KNOWN_VERSIONS, MissingTorchPartError, find_part, warn_if_untested

ROOT = Path(__file__).parents[2]


def test_a_part_is_found_wherever_it_is() -> None:
    import torch

    assert find_part("torch.nn.Module._apply", "to test") is torch.nn.Module._apply
    assert find_part("torch._C._current_graph_task_id", "to test") is torch._C._current_graph_task_id


@pytest.mark.parametrize("path", ["torch._C._no_such_part", "torch.no_such_module.part", "torch.nn.Module._no_such"])
def test_a_part_that_is_missing_is_one_clear_sentence(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_private, "version", lambda package: "9.9.0")
    with pytest.raises(MissingTorchPartError) as caught:
        find_part(path, "to name the module of an operator")
    known = ", ".join(KNOWN_VERSIONS)
    assert str(caught.value) == (
        f"PyTorch 9.9.0 has no {path}, which is needed to name the module of an operator: install one of {known}"
    )


def test_an_untested_version_warns_once(monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder) -> None:
    monkeypatch.setattr(torch_private, "version", lambda package: "2.1.0")
    warn_if_untested.cache_clear()
    with pytest.warns(torch_private.UntestedTorchWarning, match=r"PyTorch 2\.1\.0 is untested"):
        warn_if_untested()
    warn_if_untested()
    assert len(recwarn) == 0
    warn_if_untested.cache_clear()


@pytest.mark.parametrize("installed", ["2.11.0", "2.11.0+cpu", "2.14", "2.14.1"])
def test_a_known_version_does_not(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_private, "version", lambda package: installed)
    warn_if_untested.cache_clear()
    warn_if_untested()  # warnings are errors
    warn_if_untested.cache_clear()


def test_pyproject_says_the_same() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert tuple(pyproject["tool"]["drystep"]["known-torch"]) == KNOWN_VERSIONS
