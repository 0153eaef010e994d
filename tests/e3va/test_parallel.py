"""Under DistributedDataParallel the forms train as they do alone."""

import pytest
import torch
import torch.multiprocessing as mp
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from e3va import E3VA, FORMS
from e3va.backbones.swin import build_swin

PROCESSES = 2


def _build(form: str) -> E3VA:
    torch.manual_seed(0)
    tuned = E3VA(build_swin("swin_tiny"), rank=2, form=form)
    for parameter in tuned.highway.parameters():
        nn.init.normal_(parameter, std=0.05)
    return tuned


def _loss(tuned: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return torch.stack([(feature * feature.roll(1, 1)).mean() for feature in tuned(images)]).sum()


def _images() -> torch.Tensor:
    return torch.randn(PROCESSES, 3, 32, 64, generator=torch.Generator().manual_seed(1))


def _train(rank: int, form: str, address: str, out: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=PROCESSES)
    tuned = _build(form)
    parallel = DistributedDataParallel(tuned)
    for _ in range(2):  # the second step would complain of parameters that the first left unused
        tuned.zero_grad()
        _loss(parallel, _images()[rank : rank + 1]).backward()
    if rank == 0:
        torch.save({n: p.grad for n, p in tuned.named_parameters() if p.grad is not None}, out)
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=() if form == "fused" else pytest.mark.nightly) for form in FORMS]
)
def test_gradients_of_two_processes_are_those_of_both_images(form: str, tmp_path) -> None:
    """DistributedDataParallel averages over processes, and the loss over images."""
    out = tmp_path / "gradients.pt"
    mp.spawn(_train, (form, f"file://{tmp_path / 'store'}", str(out)), nprocs=PROCESSES)
    tuned = _build(form)
    _loss(tuned, _images()).backward()
    gradients = torch.load(out)
    expected = {name: p.grad for name, p in tuned.named_parameters() if p.grad is not None}
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-6)
