"""`DistributedDataParallel` in the user's own program: PyTorch's own reducer, without other processes.

The reducer allocates buckets for the gradients, makes them anew in the second step, copies gradients into them, and
keeps what `find_unused_parameters` and `static_graph` need (`torch/csrc/distributed/c10d/reducer.cpp`). It is the real
one, so all of this is as on a GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.cuda.legacy import leave_buckets_to_replica
from drystep.cuda.replicas.process_group import ensure_group, simulated_groups
from drystep.torch_private import tree_map
from drystep.torch_replacements import replacing_replica_parts


class _SilentLogger:
    """PyTorch's logger of a replica, but for its statistics of times: it has a clock for CPU and CUDA alone."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def set_runtime_stats_and_log(self) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)


@contextmanager
def replicas(device: torch.device) -> Iterator[None]:
    """Make process groups without processes, and `DistributedDataParallel` work with modules on `device`.

    `device_ids` mean that device, whatever they are.
    """
    build = DistributedDataParallel.__init__

    def init(
        self: Any, module: Any, device_ids: Any = None, output_device: Any = None, *args: Any, **options: Any
    ) -> None:
        ensure_group()
        build(self, module, None, None, *args, **options)
        leave_buckets_to_replica(self.parameters())
        self.logger = _SilentLogger(self.logger)
        if device_ids and self.device_type == device.type != "cpu":
            self.device_ids = list(device_ids)  # its inputs are moved to the device

    def moved(inputs: Any, kwargs: Any, *_: object) -> tuple[Any, Any]:
        """Inputs on the device, for the only replica of this process."""
        to_device = lambda value: value.to(device) if isinstance(value, Tensor) else value  # noqa: E731
        return (tree_map(to_device, inputs),), (tree_map(to_device, kwargs),)

    with (
        simulated_groups(),
        mock.patch.object(DistributedDataParallel, "__init__", init),
        where_parts_exist(
            lambda: replacing_replica_parts(moved, lambda *_: True), (DistributedDataParallel, "__init__")
        ),
    ):
        yield
