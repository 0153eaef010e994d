"""A place above autograd where operators can be replaced, for tensors that PyTorch has no such place for.

CUDA casts under autocast, and chooses fused kernels, before autograd sees an operator. Meta and CPU tensors get the
same treatment at the autocast key of a backend that does not exist here, switched on for the current thread. What a
composite operator calls inside is seen as well, which no Python function mode would see.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from drystep.torch_private import DispatchKeySet, exclude_keys, include_key, keys_after, parse_dispatch_key

Rule = Callable[..., Any]
"""Called like the operator it stands for; operators that it calls are not replaced again."""
Rules = Mapping[Any, Rule]
"""Operator overload, such as `torch.ops.aten.dropout.default`, -> what takes its place."""

_KEY_NAME = "AutocastPrivateUse1"
_KEY: Any = parse_dispatch_key(_KEY_NAME)
_KEYS = DispatchKeySet(_KEY)
_KEYS_BELOW = keys_after(_KEY)
_BACKEND = "privateuseone"
_libraries: dict[str, torch.library.Library] = {}
_known: set[Any] = set()
_active: dict[Any, Rule] = {}


@contextmanager
def interposed(rules: Rules) -> Iterator[None]:
    """Let each rule take the place of its operator, in this thread."""
    for operator in rules:
        _make_known(operator)
    before = dict(_active)
    _active.update(rules)
    # PyTorch masks the keys of inactive autocast backends: the key must be unmasked and asked for.
    was_enabled = torch.is_autocast_enabled(_BACKEND)
    torch.set_autocast_enabled(_BACKEND, True)
    try:
        with include_key(_KEY):
            yield
    finally:
        torch.set_autocast_enabled(_BACKEND, was_enabled)
        _active.clear()
        _active.update(before)


def _make_known(operator: Any) -> None:
    """Register one kernel per operator, once; it asks at each call which rule holds."""
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
        if rule is None:  # go on as if this kernel were not here: what the operator calls may have rules
            return operator.redispatch(keys & _KEYS_BELOW, *args, **kwargs)
        with exclude_keys(_KEYS):
            return rule(*args, **kwargs)

    _libraries[namespace].impl(operator.name().partition("::")[2], kernel, with_keyset=True)
    _known.add(operator)
