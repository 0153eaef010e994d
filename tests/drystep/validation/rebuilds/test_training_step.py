"""The order of a rebuilt step, and its figures, on a CPU that executes it."""

import pytest
import torch
from torch import nn

from drystep.validation.rebuilds.training_step import TrainingStep, library, timm_model


class Noting(torch.optim.SGD):
    """SGD that notes when it is called."""

    def __init__(self, parameters, noted: list[str]) -> None:
        super().__init__(parameters, lr=1.0)
        self.noted = noted

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.noted.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure=None):
        self.noted.append("step")
        return super().step(closure)


def _step(noted: list[str], **options) -> TrainingStep:
    model = nn.Linear(2, 1, bias=False)
    nn.init.ones_(model.weight)

    def make_batch() -> tuple[torch.Tensor]:
        noted.append("batch")
        return (torch.tensor([[3.0, 4.0]]),)

    def loss(inputs: torch.Tensor) -> torch.Tensor:
        noted.append("loss")
        return model(inputs).sum()

    return TrainingStep(model, Noting(model.parameters(), noted), make_batch, loss, **options)


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("first", ["zero_grad", "batch", "loss", "step"]),
        ("before backward", ["batch", "loss", "zero_grad", "step"]),
        ("last", ["batch", "loss", "step", "zero_grad"]),
    ],
)
def test_gradients_are_cleared_where_the_original_clears_them(place: str, order: list[str]) -> None:
    noted: list[str] = []
    _step(noted, zero_grad=place)()
    assert noted == order


@pytest.mark.parametrize(("clip_norm", "weights"), [(None, [-2.0, -3.0]), (1.0, [0.4, 0.2])])
def test_gradients_are_clipped(clip_norm: float | None, weights: list[float]) -> None:
    """The gradient is (3, 4), of norm 5."""
    step = _step([], clip_norm=clip_norm)
    step()
    assert step.model.weight.tolist()[0] == pytest.approx(weights, abs=1e-5)


def test_attention_of_timm_is_written_out() -> None:
    with torch.device("meta"):
        model = timm_model("vit_tiny_patch16_224")
    assert {block.attn.fused_attn for block in model.blocks} == {False}


def test_a_library_that_is_missing() -> None:
    with pytest.raises(ValueError, match="^this row needs the library nosuchlibrary: pip install nosuchlibrary$"):
        library("nosuchlibrary")
