"""Functions of `torch.cuda` that keep books: they do nothing here, and the simulation says so once.

`torch.cuda.is_available` stays False where there is no GPU, because PyTorch itself asks it before it uses one.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch

from drystep.cuda.api.redirection import redirected
from drystep.cuda.api.stand_ins import Event, Stream, card_of, properties_of
from drystep.cuda.rules import Rules

MANAGES = """
    set_device init set_stream manual_seed manual_seed_all seed seed_all set_rng_state set_rng_state_all
    set_sync_debug_mode set_per_process_memory_fraction nvtx.range_pop nvtx.range_end nvtx.mark
    nvtx.range_start nvtx.range_push
"""
"""Functions that have nothing to do here, and whose silence changes no figure."""
WAITS = "synchronize ipc_collect empty_cache reset_peak_memory_stats reset_accumulated_memory_stats"
RESETS = "reset_max_memory_allocated reset_max_memory_cached reset_peak_host_memory_stats"
COUNTS = """
    memory_allocated max_memory_allocated memory_reserved max_memory_reserved device_memory_used memory_usage
    utilization temperature power_draw clock_rate
"""
"""Functions that return a number of something that is not there: 0."""
EMPTY_CACHE = (
    "torch.cuda.empty_cache did nothing: on a GPU it returns cached memory, so that the reserved peak may be lower "
    "than the simulated one"
)


class Ignored:
    """Which functions a program called in vain."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}  # in the order of their first calls

    def note(self, name: str) -> None:
        """Note a call by the program or a library. What PyTorch calls for itself is no news."""
        caller = sys._getframe(3).f_globals.get("__name__", "")  # below the replacement and the function itself
        if caller.partition(".")[0] != "torch":
            self._names[f"torch.cuda.{name}"] = None

    def remarks(self) -> list[str]:
        """At most one sentence for all functions, and one for `empty_cache`, which frees memory on a GPU."""
        names = [name for name in self._names if name != "torch.cuda.empty_cache"]
        said = [EMPTY_CACHE] if len(names) < len(self._names) else []
        if not names:
            return said
        *first, last = names
        listed = f"{', '.join(first)} and {last}" if first else last
        return [f"{listed} did nothing: figures of this simulation replace what they would say", *said]


def _part(name: str) -> Any:
    """A function of `torch.cuda` by its dotted name there; None if this version of PyTorch lacks it."""
    found: Any = torch.cuda
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@contextmanager
def bookkeeping(device: torch.device, rules: Rules) -> Iterator[Ignored]:
    """Replace the bookkeeping of `torch.cuda` until the context ends. Yields what was called in vain."""
    ignored = Ignored()
    card = properties_of(card_of(rules.card))
    free_bytes = rules.usable_bytes(card_of(rules.card))
    stream = Stream(device)

    def noting(name: str, result: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*args: Any, **kwargs: Any) -> Any:
            ignored.note(name)
            return result(*args, **kwargs)

        return replacement

    def state(*_: object, **__: object) -> torch.Tensor:
        return torch.get_rng_state()

    answers: dict[str, Callable[..., Any]] = {
        **dict.fromkeys(MANAGES.split(), lambda *_, **__: None),
        "current_device": lambda: 0,
        "device_count": lambda: 1,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda including_emulation=True: including_emulation or card.major >= 8,
        "initial_seed": lambda: 0,
        "get_rng_state": state,
        "get_rng_state_all": lambda: [state()],
        "get_sync_debug_mode": lambda: 0,
        "current_stream": lambda device=None: stream,
        "default_stream": lambda device=None: stream,
        "stream": lambda stream: nullcontext(stream),
        "get_device_capability": lambda device=None: (card.major, card.minor),
    }
    in_vain: dict[str, Callable[..., Any]] = {
        **dict.fromkeys((WAITS + " " + RESETS).split(), lambda *_, **__: None),
        **dict.fromkeys(COUNTS.split(), lambda *_, **__: 0),
        "memory_stats": lambda device=None: defaultdict(int),
        "memory_stats_as_nested_dict": lambda device=None: {},
        "memory_summary": lambda device=None, abbreviated=False: "no summary: this step is simulated",
        "memory_snapshot": lambda *_, **__: [],
        "list_gpu_processes": lambda device=None: "no processes: this step is simulated",
        "mem_get_info": lambda device=None: (free_bytes, card.total_memory),
        "get_device_name": lambda device=None: card.name,
        "get_device_properties": lambda device=None: card,
    }
    answers |= {name: noting(name, answer) for name, answer in in_vain.items()}
    created: dict[str, Callable[..., Any]] = {"Event": lambda *_, **__: Event(), "Stream": lambda *_, **__: stream}
    replacements = {_part(name): answer for name, answer in answers.items() if _part(name) is not None}
    with redirected(replacements), ExitStack() as stack:
        for name, create in created.items():
            stack.enter_context(mock.patch.object(_part(name), "__new__", staticmethod(noting(name, create))))
        for method in ("__init__", "__enter__", "__exit__"):
            stack.enter_context(mock.patch.object(torch.cuda.device, method, lambda *_: None))
        yield ignored
