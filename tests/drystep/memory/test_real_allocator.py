"""PyTorch's own allocator beside ours, to the byte, for random traces and a training step under many settings.

PyTorch's CUDA library has the whole allocator, which needs of CUDA only cudaMalloc and the like. `real_allocator.cpp`
gives it counters in their place, so that it runs without a GPU.
"""

import functools
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from drystep import simulate
from drystep.alloc_conf import AllocatorSettings
from drystep.memory.allocator import CachingAllocator, OutOfMemoryError
from drystep.memory.block import Block
from tests.drystep.memory.mlp_step import build_mlp

MIB = 1 << 20
TORCH = Path(torch.__file__).parent
CUDA = TORCH.parent / "nvidia" / "cu13"
INCLUDED = (TORCH / "include", CUDA / "include", TORCH.parent / "triton" / "backends" / "nvidia" / "include")
"""CUDA's own folder lacks its `crt`, which Triton has."""
NEEDED = (TORCH / "lib" / "libc10_cuda.so", CUDA / "include" / "cuda.h", INCLUDED[2] / "crt" / "host_config.h")
UNLIMITED = 1 << 42
CONFIGURATIONS = (
    "",
    "expandable_segments:True",
    "expandable_segments:True,max_split_size_mb:30",
    "expandable_segments:True,garbage_collection_threshold:0.5",
    "expandable_segments:True,roundup_power2_divisions:8",
    "large_segment_size_mb:33,expandable_segments:True",
    "large_segment_size_mb:12",
    "large_segment_size_mb:64,max_split_size_mb:64,garbage_collection_threshold:0.2",
    "max_split_size_mb:20",
    "max_split_size_mb:40,max_non_split_rounding_mb:25",
    "garbage_collection_threshold:0.6",
    "garbage_collection_threshold:0.3,max_split_size_mb:24",
    "roundup_power2_divisions:4",
    "roundup_power2_divisions:[1:2,4:8,16:4,>:1]",
)
Command = tuple[str, int]
"""("a", bytes), ("f", number of the allocation) or ("e", 0), which empties the cache."""
State = tuple[int, int, int, int, int]
"""Allocated and reserved bytes, retries, out-of-memory errors, and the size of the block or -1."""
Run = Callable[[list[Command], str, int | None, bool], list[State]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.__version__.startswith("2.11."), reason="the rules are those of PyTorch 2.11"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler"),
    pytest.mark.skipif(not all(path.exists() for path in NEEDED), reason="needs PyTorch built for CUDA 13"),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run commands through PyTorch's allocator."""
    program = tmp_path_factory.mktemp("real_allocator") / "real_allocator"
    libraries = [TORCH / "lib" / "libc10_cuda.so", TORCH / "lib" / "libc10.so", CUDA / "lib" / "libcudart.so.13"]
    subprocess.run(
        [
            *("g++", "-std=c++20", "-O0", "-rdynamic", str(Path(__file__).parent / "real_allocator.cpp")),
            *("-o", str(program)),
            *(f"-I{folder}" for folder in INCLUDED),
            *map(str, libraries),
            *(f"-Wl,-rpath,{library.parent}" for library in libraries),
        ],
        check=True,
        timeout=300,
    )

    def run(commands: list[Command], text: str, capacity_bytes: int | None, whole_card: bool) -> list[State]:
        has_bytes = capacity_bytes or UNLIMITED
        fraction = 1.0 if whole_card or capacity_bytes is None else 0.125
        finished = subprocess.run(
            # A card with 8 times the memory has addresses enough, and an eighth of it is the limit.
            [str(program), str(has_bytes), str(8 * has_bytes), str(fraction)],
            input="".join(f"{name} {operand}\n" if name != "e" else "e\n" for name, operand in commands),
            env={"PYTORCH_CUDA_ALLOC_CONF": text},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        allocated, reserved, retries, ooms, sizes = zip(
            *(map(int, line.split()) for line in finished.stdout.splitlines()), strict=True
        )
        return list(zip(allocated, reserved, retries, ooms, sizes, strict=True))

    return run


def _ours(commands: list[Command], text: str, capacity_bytes: int | None, whole_card: bool) -> list[State]:
    allocator = CachingAllocator(capacity_bytes, settings=AllocatorSettings.parse(text), whole_card=whole_card)
    blocks: list[Block | None] = []
    states: list[State] = []
    for name, operand in commands:
        size_bytes = -1
        if name == "e":
            allocator.empty_cache()
        elif name == "a":
            try:
                blocks.append(allocator.malloc(operand))
                size_bytes = blocks[-1].size_bytes if blocks[-1] is not None else -1
            except OutOfMemoryError:
                blocks.append(None)
        elif (block := blocks[operand]) is not None:
            allocator.free(block)
        stats = allocator.stats
        states.append((stats.allocated_bytes, stats.reserved_bytes, stats.alloc_retries, stats.ooms, size_bytes))
    return states


def _random_commands(dice: random.Random, count: int) -> list[Command]:
    """A few emptied caches, and slightly more allocations than frees, with sizes around every boundary."""
    commands: list[Command] = []
    alive: list[int] = []
    allocated = 0
    for _ in range(count):
        if dice.random() < 0.01:
            commands.append(("e", 0))
        elif dice.random() < 0.55 or not alive:
            kinds = (
                dice.randint(1, 4096),
                dice.randint(1, 3 * MIB),
                dice.randint(MIB, 40 * MIB),
                dice.choice((1, 2, 4, 10, 20, 22, 30)) * MIB - dice.choice((0, 0, 1, 512)),
                dice.randint(15, 120) * MIB // dice.choice((1, 1, 3)),
            )
            commands.append(("a", dice.choice(kinds)))
            alive.append(allocated)
            allocated += 1
        else:
            commands.append(("f", alive.pop(dice.randrange(len(alive)))))
    return commands


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_random_traces(text: str, real: Run) -> None:
    reached = 0
    for seed, capacity_mib in enumerate((None, 60, 150, 333, 700, 1500)):
        for whole_card in (False, True):
            commands = _random_commands(random.Random(seed), 600)
            capacity_bytes = None if capacity_mib is None else capacity_mib * MIB
            theirs = real(commands, text, capacity_bytes, whole_card)
            assert _ours(commands, text, capacity_bytes, whole_card) == theirs, (capacity_mib, whole_card)
            reached += theirs[-1][2]
    assert reached > 10  # retries


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_training_step(text: str, real: Run) -> None:
    trace = simulate(functools.partial(build_mlp, hidden=4096)).trace
    numbers: dict[int, int] = {}
    commands: list[Command] = []
    for index, born, _ in trace.events:
        workspace = trace.allocations[index].workspace
        if workspace is not None and not workspace.certain:
            continue
        if born:
            commands.append(("a", trace.allocations[index].requested_bytes))
            numbers[index] = len(numbers)
        else:
            commands.append(("f", numbers[index]))
    assert _ours(commands, text, None, False) == real(commands, text, None, False)
