"""A card without a card: the counters, events and limit of `torch.cuda`, as the tests set them."""

import torch


class FakeCuda:
    """Stands for `torch.cuda` where the cuda engine asks it; a step says what it allocates, and how long it takes."""

    def __init__(self, monkeypatch, total_bytes: int = 80 << 30) -> None:
        self.total_bytes = total_bytes
        self.now_ms = 0.0
        self.allocated = self.peak = self.reserved = 0
        self.fraction = None
        self.retries = self.ooms = 0
        said = {"total_memory": total_bytes, "uuid": "0-1", "name": "Fake 80GB", "major": 9, "minor": 0}
        said |= {"multi_processor_count": 132}
        properties = type("Properties", (), said)
        fakes = {
            "get_device_properties": lambda device: properties,
            "get_device_name": lambda device=None: "Fake 80GB",
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "synchronize": lambda: None,
            "reset_peak_memory_stats": self._reset,
            "memory_stats": self._stats,
            "set_per_process_memory_fraction": self._limit,
            "Event": self._event,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)

    def hold(self, size_bytes: int) -> None:
        """Allocate (or free, if negative)."""
        if self.fraction is not None and self.allocated + size_bytes > int(self.fraction * self.total_bytes):
            self.ooms += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.allocated += size_bytes
        self.peak = max(self.peak, self.allocated)
        self.reserved = max(self.reserved, self.allocated)

    def _reset(self) -> None:
        self.peak = self.allocated

    def _limit(self, fraction: float, device: object) -> None:
        assert 0 <= fraction <= 1
        self.fraction = fraction

    def _stats(self) -> dict[str, int]:
        return {
            "allocated_bytes.all.peak": self.peak,
            "active_bytes.all.peak": self.peak,
            "reserved_bytes.all.peak": self.reserved,
            "num_alloc_retries": self.retries,
            "num_ooms": self.ooms,
        }

    def _event(self, enable_timing: bool) -> object:
        fake = self

        class Event:
            at_ms = None

            def record(self) -> None:
                self.at_ms = fake.now_ms

            def elapsed_time(self, later: "Event") -> float:
                return later.at_ms - self.at_ms

        return Event()
