"""Functions of `torch.cuda` that keep books: they do nothing here, and the simulation says so once.

`torch.cuda.is_available` stays False where there is no GPU, because PyTorch itself asks it before it uses one.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch

from drystep.cuda.api.ignored import Ignored
from drystep.cuda.api.redirection import can_redirect, redirected
from drystep.cuda.api.stand_ins import Event, Properties, Stream, card_of, properties_of
from drystep.cuda.rules import Rules
from drystep.gpus.classes import Gpu

Answer = Callable[..., Any]

SILENT = """
    cuda.set_device cuda.init cuda.set_stream cuda.manual_seed cuda.manual_seed_all cuda.seed cuda.seed_all
    cuda.set_rng_state cuda.set_rng_state_all cuda.set_sync_debug_mode cuda.nvtx.range_push cuda.nvtx.range_pop
    cuda.nvtx.range_start cuda.nvtx.range_end cuda.nvtx.mark accelerator.set_device_index accelerator.set_stream
"""
"""Functions that have nothing to do here, and whose silence changes no figure."""
IN_VAIN = """
    cuda.synchronize cuda.ipc_collect cuda.empty_cache cuda.reset_peak_memory_stats cuda.reset_max_memory_allocated
    cuda.reset_max_memory_cached cuda.reset_accumulated_memory_stats cuda.set_per_process_memory_fraction
    accelerator.synchronize accelerator.empty_cache accelerator.reset_peak_memory_stats
    accelerator.reset_accumulated_memory_stats
"""
"""Functions that would wait, or act on the allocator."""
COUNTS = """
    cuda.memory_allocated cuda.max_memory_allocated cuda.memory_reserved cuda.max_memory_reserved
    cuda.device_memory_used cuda.memory_usage cuda.utilization cuda.temperature cuda.power_draw cuda.clock_rate
    accelerator.memory_allocated accelerator.max_memory_allocated accelerator.memory_reserved
    accelerator.max_memory_reserved
"""
"""Functions that return a number of something that is not there: 0."""


def _part(name: str) -> Any:
    """A part of PyTorch by its dotted name; None if this version lacks it."""
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@contextmanager
def bookkeeping(device: torch.device, rules: Rules) -> Iterator[Ignored]:
    """Replace the bookkeeping of `torch.cuda` until the context ends. Yields what was called in vain."""
    ignored = Ignored()

    def noted(name: str, answer: Answer) -> Answer:
        def replacement(*args: Any, **kwargs: Any) -> Any:
            ignored.note(f"torch.{name}")
            return answer(*args, **kwargs)

        return replacement

    stream = Stream(device)
    in_vain = {name: noted(name, answer) for name, answer in _in_vain().items()}
    answers = {**_silent(stream), **in_vain, **_about_card(rules, ignored)}
    classes: dict[str, Answer] = {"cuda.Event": lambda *_, **__: Event(), "cuda.Stream": lambda *_, **__: stream}
    known = {name: part for name in answers if (part := _part(name)) is not None}
    plain = {part: answers[name] for name, part in known.items() if can_redirect(part)}
    with redirected(plain), ExitStack() as stack:
        for name in (name for name, part in known.items() if part not in plain):
            stack.enter_context(mock.patch(f"torch.{name}", answers[name]))
        for name, make in classes.items():
            if isinstance(_part(name), type):  # a stand-in of a test may be a function
                stack.enter_context(mock.patch.object(_part(name), "__new__", staticmethod(noted(name, make))))
        for method in ("__init__", "__enter__", "__exit__"):
            stack.enter_context(mock.patch.object(torch.cuda.device, method, _nothing))
        stack.enter_context(mock.patch.object(torch.Tensor, "record_stream", _nothing))
        yield ignored


def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def _silent(stream: Stream) -> Mapping[str, Answer]:
    """Answers that are as good as those of a GPU."""

    def states() -> list[torch.Tensor]:
        return [torch.get_rng_state()]

    return {
        **dict.fromkeys(SILENT.split(), _nothing),
        **dict.fromkeys(("cuda.current_device", "accelerator.current_device_index"), lambda: 0),
        **dict.fromkeys(("cuda.device_count", "accelerator.device_count"), lambda: 1),
        "cuda.is_initialized": lambda: True,
        "cuda.initial_seed": torch.initial_seed,
        "cuda.get_rng_state": lambda device="cuda": states()[0],
        "cuda.get_rng_state_all": states,
        "cuda.get_sync_debug_mode": lambda: 0,
        **dict.fromkeys(
            ("cuda.current_stream", "cuda.default_stream", "accelerator.current_stream"), lambda device=None: stream
        ),
        "cuda.stream": nullcontext,
    }


def _in_vain() -> Mapping[str, Answer]:
    """Answers that say nothing."""
    return {
        **dict.fromkeys(IN_VAIN.split(), _nothing),
        **dict.fromkeys(COUNTS.split(), lambda device=None: 0),
        **dict.fromkeys(("cuda.memory_stats", "accelerator.memory_stats"), lambda device=None: defaultdict(int)),
        "cuda.memory_stats_as_nested_dict": lambda device=None: {},
        "cuda.memory_summary": lambda device=None, abbreviated=False: "This step is simulated: there is no summary.",
        "cuda.memory_snapshot": lambda *_, **__: [],
        "cuda.list_gpu_processes": lambda device=None: "This step is simulated: there are no processes.",
    }


def _about_card(rules: Rules, ignored: Ignored) -> Mapping[str, Answer]:
    """Answers that describe a card. They are noted if the rules do not name it."""

    @functools.cache
    def card() -> Gpu:
        return card_of(rules.card)

    def properties() -> Properties:
        return properties_of(card())

    def described(name: str, answer: Answer) -> Answer:
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if not isinstance(rules.card, Gpu):
                ignored.note_card(f"torch.{name}", card().label)
            return answer(*args, **kwargs)

        return replacement

    described_by: dict[str, Answer] = {
        "cuda.get_device_name": lambda device=None: properties().name,
        "cuda.get_device_properties": lambda device=None: properties(),
        "cuda.mem_get_info": lambda device=None: (rules.usable_bytes(card()), properties().total_memory),
    }
    return {
        **{name: described(name, answer) for name, answer in described_by.items()},
        "cuda.get_device_capability": lambda device=None: (properties().major, properties().minor),
        "cuda.is_bf16_supported": lambda including_emulation=True: (
            including_emulation or bool(card().peaks.bf16_tflops)
        ),
        "cuda.is_tf32_supported": lambda: bool(card().peaks.tf32_tflops),
    }
