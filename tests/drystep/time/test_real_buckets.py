"""Buckets of a real DistributedDataParallel on the CPU, beside those of the simulated step."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from drystep import simulate
from drystep.time.gradient_exchange import Gradient, buckets
from drystep.time.parameter_gradients import parameter_gradients

WIDTH = 512


class Net(nn.Module):
    """Parameters that are not used in the order in which they are defined; one layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.first, self.shared = nn.Linear(WIDTH, 1000), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        widths = (WIDTH, 2048, WIDTH, 4096, WIDTH)
        self.middle = nn.Sequential(*(nn.Linear(*pair) for pair in itertools.pairwise(widths)))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.shared(self.middle(self.shared(self.first(x))))))


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group(
        "gloo", store=distributed.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this PyTorch has no gloo")
@pytest.mark.usefixtures("one_process")
def test_buckets_are_those_of_a_real_run() -> None:
    """What PyTorch says that it rebuilt after the first iteration."""
    wrapped = DistributedDataParallel(Net())
    wrapped._set_ddp_runtime_logging_sample_rate(1)
    for _ in range(3):
        wrapped(torch.randn(2, WIDTH)).sum().backward()
    real = wrapped._get_ddp_logging_data()["rebuilt_bucket_sizes"]

    def build_step(device: torch.device):
        model = Net().to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.empty(2, WIDTH, device=device)

        def step() -> None:
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()

        return step

    (gradients,) = parameter_gradients(simulate(build_step, gpus=["v100-32gb"]).trace)
    found = buckets([Gradient(0.0, gradient.size_bytes, gradient.dtype) for gradient in gradients])
    assert [bucket.size_bytes for bucket in found] == [int(size) for size in real.split(",")]
    assert len(found) == 3
