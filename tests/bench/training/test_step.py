import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from bench.cases.training_step import TrainingStep
from bench.training.step import DivergedError, LearningStep, watched


class Regression(nn.Module):
    """A detector of two losses that are means over the images of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        error = self.layer(images)[:, 0] - targets
        return {"square": error.square().mean(), "absolute": error.abs().mean()}


def _batch(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 3), torch.randn(count)


def _step(kind: type[TrainingStep], model: nn.Module, batches: list, **fields) -> TrainingStep:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return kind(model, optimizer, iter(batches), GradScaler("cpu", enabled=False), **fields)


def test_passes_add_up_to_a_step_on_all_their_images() -> None:
    model = Regression()
    twin = copy.deepcopy(model)
    images, targets = _batch(6)
    parts = list(zip(images.split(2), targets.split(2), strict=True))
    _step(LearningStep, model, parts, passes=3)()
    _step(TrainingStep, twin, [(images, targets)])()
    torch.testing.assert_close(model.state_dict(), twin.state_dict())


def test_gradients_are_clipped_to_the_norm() -> None:
    model = Regression()
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    _step(LearningStep, model, [(torch.full((4, 3), 50.0), torch.zeros(4))], clip_norm=0.5)()
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert (after - before).norm().item() == pytest.approx(0.1 * 0.5, rel=1e-3)  # rate x norm


def test_a_step_stops_at_a_loss_that_is_no_number_before_it_changes_the_model() -> None:
    model = Regression()
    before = copy.deepcopy(model.state_dict())
    images, targets = _batch(2)
    images[0, 0] = math.nan
    with pytest.raises(DivergedError, match="square is nan, absolute is nan"):
        _step(LearningStep, model, [(images, targets)], watch=watched)()
    torch.testing.assert_close(model.state_dict(), before)


def test_only_the_losses_that_are_infinite_are_blamed() -> None:
    with pytest.raises(DivergedError, match=r"^box is inf \(all losses: class 0.5, box inf\)$"):
        watched({"class": torch.tensor(0.5), "box": torch.tensor(math.inf)})
