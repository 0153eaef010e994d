"""The largest batch and image of each card, against simulations of every size."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import drystep.fit.simulations
from drystep.cuda.rules import Rules
from drystep.errors import SimulationError
from drystep.fit.search import NotScaledError, first_numbers, numbers_to_check
from drystep.fit.sizes import BatchRow, StepSize
from drystep.fit.step import fit_step
from drystep.gpus.classes import Gpu
from drystep.simulator import simulate

CARDS = [
    Gpu(f"c{mib}", "", mib, 100, compute_capability=capability)
    for mib, capability in ((150, "6.1"), (190, "9.0"), (240, "8.0"), (310, "9.0"), (420, "12.0"))
]


def convolves(device: torch.device, batch_size: int = 4, image_size: tuple[int, int] = (96, 64)):
    """Maps of 512 channels, so that a few images fill a card."""
    model = nn.Sequential(nn.Conv2d(3, 512, 4, 4), nn.BatchNorm2d(512), nn.Conv2d(512, 8, 1)).to(device)
    head = nn.Linear(8, 2).to(device)
    optimizer = torch.optim.SGD([*model.parameters(), *head.parameters()], 0.1)
    images = torch.empty(batch_size, 3, *image_size, device=device)

    def step() -> None:
        optimizer.zero_grad()
        head(model(images).mean((2, 3))).mean().backward()
        optimizer.step()

    return step


def _fits(build_step: Callable[..., Any], gpu: Gpu, **size: Any) -> bool:
    found = simulate(functools.partial(build_step, **size), Rules(card=gpu), gpus=[gpu])
    return found.fits[gpu.name].verdict not in ("oom", "depends")


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the fit simulates."""
    found: list[object] = []

    def counted(build: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(build.keywords)
        return simulate(build, *args, **kwargs)

    monkeypatch.setattr(drystep.fit.simulations, "simulate", counted)
    return found


def test_the_largest_of_each_card_are_those_of_simulating_each(simulated: list[object]) -> None:
    rows = fit_step(convolves, CARDS)
    few = len(simulated)
    for row in rows:
        batch, image = row.largest_batch, row.largest_image
        assert batch is not None
        assert image is not None
        assert [_fits(convolves, row.gpu, batch_size=size) for size in (batch, batch + 1)] == [True, False]
        height = image[0]
        for other, fits in ((height, True), (height + 32, False)):
            size = (other, 32 * round(other / 32 * 2 / 3))
            assert _fits(convolves, row.gpu, image_size=size) is fits
        assert image[1] == 32 * round(height / 32 * 2 / 3)
    assert len({row.largest_batch for row in rows}) > 3  # so that not all of them are checked
    assert few <= 15  # two groups of cards as asked; two more sizes, four checks, of batches and of images; one image


def test_a_card_that_holds_nothing() -> None:
    (row,) = fit_step(convolves, [Gpu("tiny", "", 120, 100)])
    assert row.simulation.fits["tiny"].verdict == "oom"
    assert (row.largest_batch, row.largest_image, row.largest_image_unknown) == (0, (0, 0), "")
    fields = row.to_fields()
    assert (fields["image_size"], fields["largest_image"]) == ([96, 64], [0, 0])


def test_a_padded_batch_is_searched_by_simulations(simulated: list[object]) -> None:
    """Rows up to a multiple of 8, so that the largest batch is one."""

    def build_step(device: torch.device, batch_size: int = 8):
        return convolves(device, -(-batch_size // 8) * 8)

    (row,) = fit_step(build_step, CARDS[3:4])
    assert row.largest_batch
    assert row.largest_batch % 8 == 0
    assert _fits(build_step, row.gpu, batch_size=row.largest_batch)
    assert not _fits(build_step, row.gpu, batch_size=row.largest_batch + 1)


def test_what_grows_above_the_first_sizes_alone_is_seen_by_the_check() -> None:
    """A buffer of 1 MiB up to 41 images, and of 1 MiB more for each further image."""

    def build_step(device: torch.device, batch_size: int = 4):
        extra = torch.empty(max(1, batch_size - 40) << 20, dtype=torch.uint8, device=device)
        step = convolves(device, batch_size)
        return lambda: (extra, step())

    (row,) = fit_step(build_step, CARDS[4:])
    assert row.largest_batch
    assert row.largest_batch > 41
    assert _fits(build_step, row.gpu, batch_size=row.largest_batch)
    assert not _fits(build_step, row.gpu, batch_size=row.largest_batch + 1)


def test_multiples_of_the_steps_own() -> None:
    def build_step(device: torch.device, image_size: tuple[int, int] = (48, 48)):
        return convolves(device, 4, image_size)

    build_step.image_multiple = 16  # type: ignore[attr-defined]
    (row,) = fit_step(build_step, CARDS[:1])
    assert (row.batch_size, row.largest_batch) == (None, None)
    assert row.largest_image is not None
    side = row.largest_image[0]
    assert _fits(build_step, row.gpu, image_size=(side, side))
    assert not _fits(build_step, row.gpu, image_size=(side + 16, side + 16))
    build_step.image_multiple = 0  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="image_multiple must be between 1 and 4096, got 0"):
        fit_step(build_step, CARDS[:1])


def windows(device: torch.device, batch_size: int = 2, image_size: tuple[int, int] = (64, 64)):
    """Images are padded to whole windows of 224 pixels."""
    return convolves(device, batch_size, (-(-image_size[0] // 224) * 224, -(-image_size[1] // 224) * 224))


def test_windows_are_searched_by_simulations_for_few_cards_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drystep.fit.largest.FEW_CARDS", 1)
    (row,) = fit_step(windows, CARDS[4:])
    assert row.largest_image is not None
    assert row.largest_image[0] % 224 == 0
    many = fit_step(windows, CARDS[3:])
    assert {each.largest_image for each in many} == {None}
    assert many[0].largest_image_unknown.endswith("name 1 cards at most")
    assert many[1].largest_batch == row.largest_batch


def test_a_model_of_one_size_says_so() -> None:
    def build_step(device: torch.device, batch_size: int = 2, image_size: tuple[int, int] = (64, 64)):
        if image_size != (64, 64):
            raise ValueError("this model takes images of 64 x 64")
        return convolves(device, batch_size, image_size)

    (row,) = fit_step(build_step, CARDS[:1])
    assert row.largest_image is None
    assert "this model takes images of 64 x 64" in row.largest_image_unknown
    assert "image_size=(" in row.largest_image_unknown
    assert row.largest_batch
    with pytest.raises(SimulationError, match="this model takes images of 64 x 64"):
        fit_step(build_step, CARDS[:1], image_size=(96, 96))


def test_a_quick_fit_searches_nothing(simulated: list[object]) -> None:
    (row,) = fit_step(convolves, CARDS[:1], 3, image_size=(64, 64), quick=True)
    assert simulated == [{"batch_size": 3, "image_size": (64, 64)}]
    assert (row.batch_size, row.image_size) == (3, (64, 64))
    assert (row.largest_batch, row.largest_image) == (None, None)
    assert row.largest_image_unknown == "the largest image was not asked for"
    (other,) = fit_step(convolves, CARDS[:1], with_largest_image=False)
    assert other.largest_batch
    assert other.largest_image is None


def test_which_sizes_are_simulated_first() -> None:
    assert first_numbers(BatchRow(StepSize(1))) == [2, 5, 11]
    assert first_numbers(BatchRow(StepSize(16))) == [16, 33, 67]
    assert first_numbers(BatchRow(StepSize(4096))) == [4096, 2049, 1026]
    with pytest.raises(NotScaledError):
        first_numbers(_Short())


class _Short:
    limit, start = 4, 2

    step_size = size = load = None  # type: ignore[assignment]


def test_which_answers_are_checked() -> None:
    assert numbers_to_check([7], 10) == [8, 7]
    assert numbers_to_check([0, 1, 10], 10) == [10, 2]
    assert numbers_to_check([3, 5, 7, 9], 100) == [10, 9, 4, 3]
