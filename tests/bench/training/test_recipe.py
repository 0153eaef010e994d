import pytest

from bench.training.recipe import MADE_RECIPES, RECIPES, Recipe


@pytest.mark.parametrize(
    ("task", "images", "steps", "rates"),
    [
        # 12 epochs of 16,551 images; the rate falls after 9 of them.
        ("voc", 16_551, 12_413, {0: 1e-4, 9_309: 1e-4, 9_310: 1e-5, 12_412: 1e-5}),
        # 36 epochs of 117,266 images with objects; after 27 and 33 of them; half of the warm-up of 500 steps.
        ("coco", 117_266, 263_848, {0: 1e-7, 250: 1e-4 * 0.5005, 500: 1e-4, 200_000: 1e-5, 250_000: 1e-6}),
        # Half of the warm-up, and half of the training.
        ("ade20k", 20_210, 160_000, {0: 6e-11, 750: 6e-5 * 0.5000005 * 0.9953125, 80_000: 3e-5}),
    ],
)
def test_the_authors_schedules(task: str, images: int, steps: int, rates: dict[int, float]) -> None:
    recipe = RECIPES[task]
    assert recipe.steps_for(images) == pytest.approx(steps, abs=1)
    for step, rate in rates.items():
        factor = recipe.schedule.factor_at(step, recipe.steps_for(images))
        assert recipe.learning_rate * factor == pytest.approx(rate, rel=1e-4), step


def test_a_total_batch_is_made_of_passes_of_all_gpus() -> None:
    recipe = RECIPES["voc"]
    assert [recipe.passes(ranks) for ranks in (1, 2, 8)] == [8, 4, 1]
    with pytest.raises(ValueError, match=r"a total batch of 16 is no multiple of 2 images per GPU on 3 GPU\(s\)"):
        recipe.passes(3)


def test_steps_and_epochs_replace_each_other() -> None:
    recipe = RECIPES["voc"].changed(steps=7, learning_rate=None)
    assert (recipe.steps, recipe.epochs, recipe.learning_rate) == (7, None, 1e-4)
    assert RECIPES["ade20k"].changed(epochs=2.0).steps_for(160) == 20


@pytest.mark.parametrize("fields", [{"learning_rate": 0.0}, {"epochs": float("nan")}, {"images_per_gpu": 0}])
def test_numbers_that_train_nothing_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be (above 0|at least 1), got"):
        RECIPES["voc"].changed(**fields)


@pytest.mark.parametrize("recipe", MADE_RECIPES.values())
def test_made_up_sets_have_short_recipes_on_one_process(recipe: Recipe) -> None:
    assert recipe.name == "made-up"
    assert recipe.passes(1) == 1
