"""Sessions that go wrong in every way that a measurement can."""

import ctypes
import os
import signal
import subprocess
import sys
import time


class Faulty:
    def __init__(self, note_phase, **arguments: object) -> None:
        self.note_phase = note_phase
        self.arguments = arguments

    def echo(self, value: object) -> object:
        print("printed to stdout")  # must not get between the replies
        return value

    def path(self) -> list[str]:
        import bench.cases.case

        return [bench.cases.case.__file__, *sys.path]

    def pid(self) -> int:
        return os.getpid()

    def so_far(self) -> dict:
        return {"memory": {"peak_allocated_bytes": 7}}

    def segfault(self) -> None:
        self.note_phase("backward")
        ctypes.string_at(0)

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self) -> None:
        os._exit(3)

    def exit_politely(self) -> None:
        sys.exit(3)

    def start_others(self) -> list[int]:
        """A process in our group, and one that left it; both hold our streams open."""
        sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        return [subprocess.Popen(sleep, start_new_session=apart).pid for apart in (False, True)]

    def hold_the_interpreter(self) -> None:
        """Native code that never gives Python a turn."""
        ctypes.PyDLL(None).sleep(600)

    def write_without_end(self, mebibytes: int) -> None:
        for _ in range(mebibytes):
            os.write(2, b"x" * (1 << 20))
        os.write(2, b"the end")
        os._exit(4)

    def raise_a_long_message(self) -> None:
        raise ValueError("y" * 50_000_000)

    def hang(self) -> None:
        self.note_phase("forward")
        time.sleep(600)

    def raise_error(self) -> None:
        raise KeyError("no such thing")

    def raise_unpicklable(self) -> None:
        class UnpicklableError(Exception):
            def __init__(self) -> None:
                super().__init__(lambda: None)

            def __str__(self) -> str:
                raise RuntimeError

            def __reduce__(self) -> str:
                raise TypeError

        raise UnpicklableError

    def return_unserialisable(self) -> object:
        return object()

    def cuda_out_of_memory(self) -> None:
        import torch

        self.note_phase("optimizer")
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def host_out_of_memory(self) -> None:
        import torch

        torch.empty(1 << 60, dtype=torch.uint8)

    def cuda_error(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


class CpuFaulty(Faulty):
    """In the place of the cpu engine's session: the fault is chosen by the case's seed."""

    FAULTS = ("", "segfault", "hang", "raise_error", "raise_unpicklable", "cuda_out_of_memory", "kill")

    def memory(self) -> dict:
        fault = self.FAULTS[self.arguments["case"]["seed"]]
        if fault:
            getattr(self, fault)()
        return {"params": {}, "memory": {}, "fits": {}, "environment": {}}

    def time_turn(self) -> dict:
        use = {"wall_ms": 4.5, "own_ms": 4.5, "others_ms": 0.0, "processors": 1}
        return {"step_ms": {"forward": 1.0, "backward": 2.0, "optimizer": 1.0}, "inference_ms": 0.5, "use": use}
