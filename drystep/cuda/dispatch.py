"""Replacement of operators above autograd, for devices on which PyTorch has no hook there.

CUDA casts under autocast, and chooses fused kernels, before autograd sees an operator. Meta and CPU tensors get the
same treatment through the autocast dispatch key of a backend that does not exist here, enabled for the current
thread. Operators that a composite operator calls are replaced as well, which a Python function mode cannot do.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from drystep.torch_private import DispatchKeySet, exclude_keys, include_key, keys_after, parse_dispatch_key
from drystep.torch_replacements import let_through

Rule = Callable[..., Any]
"""A function with the arguments of the operator that it replaces. Operators that it calls are not replaced again."""
Replacements = Mapping[Any, Rule]
"""Operator overload, such as `torch.ops.aten.dropout.default` -> the function that replaces it."""

_KEY_NAME = "AutocastPrivateUse1"
_KEY: Any = parse_dispatch_key(_KEY_NAME)
_KEYS = DispatchKeySet(_KEY)
_KEYS_BELOW = keys_after(_KEY)
_BACKEND = "privateuseone"
_libraries: dict[str, torch.library.Library] = {}
_known: set[Any] = set()
_active: dict[Any, Rule] = {}
_composed: set[Rule] = set()


def composed(rule: Rule) -> Rule:
    """Mark a rule that calls operators which have rules of their own, so that they follow these.

    The operators of other rules follow none.
    """
    _composed.add(rule)
    return rule


@contextmanager
def interposed(rules: Replacements) -> Iterator[None]:
    """Replace each operator by its rule, in this thread, until the context ends."""
    let_through(_KEY)
    for operator in rules:
        _make_known(operator)
    before = dict(_active)
    _active.update(rules)
    # PyTorch masks the keys of disabled autocast backends, so it is not enough to include the key.
    was_enabled = torch.is_autocast_enabled(_BACKEND)
    torch.set_autocast_enabled(_BACKEND, True)
    try:
        with include_key(_KEY):
            yield
    finally:
        torch.set_autocast_enabled(_BACKEND, was_enabled)
        _active.clear()
        _active.update(before)


@contextmanager
def not_interposed() -> Iterator[None]:
    """Replace no operator in this thread until the context ends."""
    with exclude_keys(_KEYS):
        yield


def _make_known(operator: Any) -> None:
    """Register one kernel per operator, once. The kernel looks up the active rule at each call."""
    if operator in _known:
        return
    if not _libraries:
        _libraries["_"] = torch.library.Library("_", "IMPL", _KEY_NAME)
        _libraries["_"].fallback(torch.library.fallthrough_kernel)
    namespace = operator.namespace
    if namespace not in _libraries:
        _libraries[namespace] = torch.library.Library(namespace, "IMPL", _KEY_NAME)

    def kernel(keys: Any, *args: Any, **kwargs: Any) -> Any:
        rule = _active.get(operator)
        if rule is None:  # the key stays included: operators that this one calls may have rules
            return operator.redispatch(keys & _KEYS_BELOW, *args, **kwargs)
        if rule in _composed:
            return rule(*args, **kwargs)
        with exclude_keys(_KEYS):
            return rule(*args, **kwargs)

    _libraries[namespace].impl(operator.name().partition("::")[2], kernel, with_keyset=True)
    _known.add(operator)
