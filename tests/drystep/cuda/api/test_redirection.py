"""Functions are replaced wherever they have been imported, and are as before afterwards."""

import statistics
from functools import lru_cache
from statistics import fmean as imported_before

import pytest

from drystep.cuda.api.redirection import can_redirect, copy_of, redirected


def _add(first: int, second: int = 2, *, third: int = 3) -> int:
    return first + second + third


def test_whoever_imported_it_before_calls_the_replacement() -> None:
    with redirected({statistics.fmean: lambda values: f"mean of {values}"}):
        assert imported_before([1, 2]) == "mean of [1, 2]"
    assert imported_before([1, 2]) == 1.5


def test_a_copy_does_what_the_function_did() -> None:
    original = copy_of(_add)
    with redirected({_add: lambda *args, **kwargs: 10 * original(*args, **kwargs)}):
        assert (_add(1), _add(1, 1), _add(1, third=1)) == (60, 50, 40)
        with redirected({_add: lambda first: -first}):
            assert _add(1) == -1
        assert _add(1) == 60
    assert (_add(1), _add(1, 1), _add(1, third=1)) == (6, 5, 4)


def test_after_an_error_too() -> None:
    with pytest.raises(KeyError), redirected({_add: lambda: None}):
        raise KeyError
    assert _add(1) == 6


def test_what_can_be_redirected() -> None:
    assert can_redirect(_add)
    assert not can_redirect(lru_cache(_add))
    assert not can_redirect(len)
    inner = 1
    assert not can_redirect(lambda: inner)
