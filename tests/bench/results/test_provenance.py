import platform
import re

import torch

from bench.results import provenance as environment
from bench.results.provenance import describe_cpu, describe_environment


def test_versions_and_commit() -> None:
    found = describe_environment("simulate", "some card", driver="550.1")
    assert found["python"] == platform.python_version()
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert (found["device"], found["driver"]) == ("some card", "550.1")
    assert found["git_commit"] is None or re.fullmatch(r"[0-9a-f]{40}", found["git_commit"])


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch, tmp_path) -> None:
    environment._git.cache_clear()
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    found = describe_environment("simulate", "x")
    environment._git.cache_clear()
    assert (found["git_commit"], found["git_dirty"]) == (None, None)


def test_the_cpu_is_named_with_its_threads() -> None:
    assert re.fullmatch(r".+, \d+ threads", describe_cpu())
