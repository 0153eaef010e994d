import platform
import re
import subprocess
from pathlib import Path

import torch

from bench import Case
from bench.results import provenance as environment
from bench.results.provenance import describe_cpu, describe_environment
from bench.results.result import failed_result
from drystep.measure.failure import Failure


def test_versions_and_commit() -> None:
    found = describe_environment("simulate", "some card", driver="550.1")
    assert found["python"] == platform.python_version()
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert (found["device"], found["driver"]) == ("some card", "550.1")
    assert found["git_commit"] is None or re.fullmatch(r"[0-9a-f]{40}", found["git_commit"])


def test_allocator_settings(monkeypatch) -> None:
    assert describe_environment("simulate", "x")["allocator"] == "default"
    assert "allocator" not in describe_environment("cuda", "x")  # `kernels` says it
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", " max_split_size_mb: 30")
    assert describe_environment("simulate", "x")["allocator"] == "max_split_size_mb:30"
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "x:1")  # a case that failed for it still says so
    assert "unknown allocator setting 'x'" in describe_environment("simulate", "x")["allocator"]


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch, tmp_path) -> None:
    environment._git.cache_clear()
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    found = describe_environment("simulate", "x")
    environment._git.cache_clear()
    assert (found["git_commit"], found["git_dirty"]) == (None, None)


def test_the_cpu_is_named_with_its_threads() -> None:
    assert re.fullmatch(r".+, \d+ threads", describe_cpu())


def test_the_commit_of_a_repository_around_the_checkout_is_not_ours(monkeypatch, tmp_path) -> None:
    commit = ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--allow-empty", "-m", "theirs"]
    for arguments in (["init", "--quiet"], commit):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    ours = tmp_path / "ours"
    ours.mkdir()
    for checkout, known in ((tmp_path, True), (ours, False)):
        environment._git.cache_clear()
        monkeypatch.setattr(environment, "CHECKOUT", checkout)
        assert (describe_environment("simulate", "x")["git_commit"] is not None) == known
    environment._git.cache_clear()


def test_a_failure_is_stored_without_paths() -> None:
    case = Case(task="voc", method="full", engine="simulate")
    line = f'File "{environment.CHECKOUT}/bench/cases/case.py", line 3, in x\n{Path.home()}/data is not there'
    result = failed_result(case, Failure("exception", f"no {Path.home()}/data", "build", detail=line), {})
    assert result.message == "no ~/data"
    assert result.failure["detail"] == 'File "bench/cases/case.py", line 3, in x\n~/data is not there'
