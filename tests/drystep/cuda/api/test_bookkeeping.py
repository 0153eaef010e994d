"""Bookkeeping of `torch.cuda` in users' own loops does nothing, and the simulation says so once."""

import time

import torch
from torch.cuda import Event as ImportedEvent
from torch.cuda import max_memory_allocated as imported_max_memory_allocated
from torch.cuda import synchronize as imported_synchronize
from torch.nn import functional as F

from drystep import Rules, simulate
from tests.drystep.cuda.api.classifier import batch, classifier, same_as_on_the_cpu


def _build(around):
    """A step that `around` looks at."""

    def build(device: torch.device):
        torch.cuda.set_device(0)
        torch.cuda.manual_seed_all(1)
        model = classifier().cuda()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        images, labels = (part.cuda() for part in batch())

        def step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()

        return lambda: around(step)

    return build


def _simulated(around, **options):
    """Simulate a step and assert that the figures are those of the step alone."""
    simulation, expected = simulate(_build(around), **options), simulate(_build(lambda step: step()), **options)
    assert expected.warnings == ()
    assert simulation.peak_allocated_bytes == expected.peak_allocated_bytes
    return simulation


def test_memory_is_watched() -> None:
    def around(step) -> None:
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        print(f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MB")
        assert torch.cuda.memory_stats()["allocated_bytes.all.peak"] == 0
        assert "simulated" in torch.cuda.memory_summary()

    assert _simulated(around).warnings == (
        "torch.cuda.reset_peak_memory_stats, torch.cuda.synchronize, torch.cuda.max_memory_allocated, "
        "torch.cuda.memory_stats and torch.cuda.memory_summary did nothing: figures of this simulation replace what "
        "they would say",
    )


def test_functions_that_were_imported_before() -> None:
    def around(step) -> None:
        start = ImportedEvent(enable_timing=True)
        start.record()
        step()
        imported_synchronize()
        imported_max_memory_allocated()

    (said,) = _simulated(around).warnings
    assert said.startswith("torch.cuda.Event, torch.cuda.synchronize and torch.cuda.max_memory_allocated did nothing")


def test_time_is_taken() -> None:
    def around(step) -> None:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun = time.perf_counter()
        start.record()
        step()
        end.record(torch.cuda.current_stream())
        torch.cuda.synchronize()
        assert 64 / start.elapsed_time(end) > 0  # images a millisecond
        assert time.perf_counter() > begun

    (said,) = _simulated(around).warnings
    assert said.startswith("torch.cuda.Event and torch.cuda.synchronize did nothing")


def test_a_hook_that_takes_time() -> None:
    """PyTorch calls the hook, and the program the event."""

    def build(device: torch.device):
        model = classifier().cuda()
        model.register_forward_hook(lambda *_: torch.cuda.Event().record())
        return lambda: model(batch()[0].cuda())

    (said,) = simulate(build).warnings
    assert said.startswith("torch.cuda.Event did nothing")


def test_streams() -> None:
    def around(step) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            step()
            torch.empty(3, device="cuda").record_stream(side)
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.device(0), side:
            pass

    (said,) = _simulated(around).warnings
    assert said.startswith("torch.cuda.Stream did nothing")


def test_an_emptied_cache_matters_for_the_reserved_peak() -> None:
    def around(step) -> None:
        step()
        torch.cuda.empty_cache()

    (said,) = _simulated(around).warnings
    assert said.startswith("torch.cuda.empty_cache did nothing: on a GPU it returns cached memory")


def test_what_has_nothing_to_say_is_not_mentioned() -> None:
    def around(step) -> None:
        torch.manual_seed(0)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.cuda.nvtx.range("step"):
            state = torch.cuda.get_rng_state(torch.cuda.current_device())
            step()
            torch.cuda.set_rng_state(state)
        assert torch.cuda.is_bf16_supported()
        torch.cuda.nvtx.range_push("end")
        torch.cuda.nvtx.range_pop()

    assert _simulated(around).warnings == ()


def test_the_card_is_that_of_the_rules() -> None:
    told = []

    def around(step) -> None:
        step()
        card = torch.cuda.get_device_properties(0)
        free_bytes, total_bytes = torch.cuda.mem_get_info()
        told.append((torch.cuda.get_device_name(), torch.cuda.get_device_capability(), card.multi_processor_count))
        assert free_bytes < total_bytes == card.total_memory

    rules = Rules(card="rtx-3090-24gb")
    assert _simulated(around, rules=rules, iterations=1).warnings == ()
    assert told == [("RTX 3090 (24 GB)", (8, 6), 82)]
    (said,) = _simulated(around, iterations=1).warnings
    assert said.startswith(
        "torch.cuda.get_device_properties, torch.cuda.mem_get_info and torch.cuda.get_device_name described "
    )
    assert said.endswith("name another card by rules=Rules(card=...)")


def test_without_a_gpu_there_is_none() -> None:
    """A program that asks first trains on the CPU, where nothing is simulated."""
    before = torch.cuda.is_available()

    def around(step) -> None:
        assert torch.cuda.is_available() == before
        step()

    assert _simulated(around).warnings == ()


def test_a_real_run_on_the_cpu() -> None:
    def around(step) -> None:
        step()
        torch.cuda.synchronize()

    same_as_on_the_cpu(_build(around))
