"""Methods that other packages register."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from drystep.zoo.methods.choice import method_names
from drystep.zoo.methods.entry_points import GROUP, registered, registered_method
from tests.drystep.zoo.steps import loaded

MODULE = '''
def only_norms(model, keep=1):
    """A method."""
    model.requires_grad_(False)
    model.norm.requires_grad_(True)
    return model
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that registers a method."""
    (tmp_path / "other_methods.py").write_text(MODULE)
    folder = tmp_path / "other_methods-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other-methods\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\nonly-norms = other_methods:only_norms\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "other_methods", raising=False)


@pytest.mark.usefixtures("installed")
def test_a_registered_method_is_called_in_the_code() -> None:
    assert "only-norms" in method_names()
    source = loaded("timm:test_vit", method="only-norms", method_options={"keep": 2}).source
    assert "from other_methods import only_norms" in source
    assert "    model = only_norms(model, keep=2)" in source


@pytest.mark.usefixtures("installed")
def test_options_that_a_registered_method_lacks() -> None:
    with pytest.raises(ValueError, match="method only-norms has no option rank: it has keep"):
        registered_method(registered()["only-norms"], {"rank": 4})


def test_a_method_that_cannot_be_imported() -> None:
    point = EntryPoint("lost", "no_such_package:method", GROUP)
    with pytest.raises(ValueError, match="method lost cannot be imported from no_such_package:method"):
        registered_method(point, {})
