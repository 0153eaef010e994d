"""Compiled models, which run eagerly here: nothing is compiled, and the figures are those of the eager model."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from drystep.program.source_lines import line_of_stack
from drystep.torch_private import MissingTorchPartError
from drystep.torch_replacements import compiling_operator, replacing_dynamo_callbacks

HOOKS_TWICE = r"Using `torch.compile\(module\)` when there are global hooks"
"""PyTorch's warning that hooks see a compiled module as well as the module in it, which does no harm here."""


class Compiled:
    """Makes everything that is compiled run eagerly, and takes note of it.

    `torch.compile` keeps its results' type, but starts no compiler. What was compiled before runs eagerly as well.
    """

    def __init__(self) -> None:
        self._patches = ExitStack()
        self._patched = False
        self._missing: MissingTorchPartError | None = None
        self.warning = ""
        """A sentence about the first compiled call; "" if there is none."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run everything eagerly until the context ends."""
        compile_model = torch.compile

        def eagerly(model: Any = None, **options: Any) -> Any:
            if compiling_operator():
                return compile_model(model, **options)
            kept = {name: value for name, value in options.items() if name in ("dynamic", "disable")}
            compiled = compile_model(model, backend="eager", **kept)
            self.begin_step()
            if self._missing is not None:
                raise self._missing
            return compiled

        with mock.patch.object(torch, "compile", eagerly), self._patches:
            self.begin_step()
            try:
                yield
            finally:
                self._patched = False

    def begin_step(self) -> None:
        """Make compiled code run eagerly from now on, if the program has loaded PyTorch's compiler."""
        if not self._patched and "torch._dynamo.eval_frame" in sys.modules:
            try:
                eager: AbstractContextManager[Any] = replacing_dynamo_callbacks(self._eager_callback)
            except MissingTorchPartError as error:
                eager = torch.compiler.set_stance("force_eager")  # for what was compiled before
                self._missing = error
            self._patches.enter_context(eager)
            self._patched = True

    def _eager_callback(self, callback: Callable[..., Any] | bool | None) -> None:
        """What a compiled region does: nothing. A callback that is no function is of a region that is not compiled."""
        if callable(callback) and not self.warning:
            line = line_of_stack()
            where = f" at {line}" if line else ""
            self.warning = (
                f"the model, or a part of it, is compiled{where}: figures are those of the eager model, and a compiled "
                "one mostly needs less memory and time"
            )
