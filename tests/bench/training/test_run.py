import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.training.names import FROZEN_FILE, RUN_FILE
from bench.training.run import begin_run, frozen_state, keep_frozen, load_frozen, read_run, run_of

CPU = torch.device("cpu")


def test_a_run_is_read_as_it_was_written(tiny_run: Callable, tmp_path: Path) -> None:
    run, _ = tiny_run("coco")
    assert run_of(json.loads(json.dumps(run.fields()))) == run
    begin_run(tmp_path, run, Path("somewhere"))
    assert read_run(tmp_path) == run
    begin_run(tmp_path, run, Path("elsewhere"))  # a data set may move
    assert read_run(tmp_path) == run


def test_a_folder_of_another_run_is_refused_with_what_differs(tiny_run: Callable, tmp_path: Path) -> None:
    run, _ = tiny_run("voc")
    begin_run(tmp_path, run, Path())
    other = replace(run, recipe=run.recipe.changed(learning_rate=0.5))
    with pytest.raises(ValueError, match=r"has another run, in which recipe learning rate is 0\.001, not 0\.5: name"):
        begin_run(tmp_path, other, Path())


@pytest.mark.parametrize("content", ["", "{}", '{"run": {"case": {}}}', '{"run": 3}', "[]"])
def test_a_file_that_describes_no_run_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(ValueError, match=r"cannot be read|no run"):
        read_run(tmp_path)


def test_a_folder_without_a_run_says_who_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no run: it has no run\.json, which `bench train` writes"):
        read_run(tmp_path)


def test_what_is_frozen_comes_back_without_its_seed(tiny_run: Callable, tmp_path: Path) -> None:
    """Random frozen weights are kept, because another release of PyTorch may draw others from the same seed."""
    run, _ = tiny_run("voc")
    model = run.build(CPU)
    keep_frozen(tmp_path, run, model)
    other = replace(run, case=replace(run.case, seed=1)).build(CPU)
    load_frozen(tmp_path, run, other)
    torch.testing.assert_close(frozen_state(other), frozen_state(model))
    assert any(name.startswith("backbone.backbone.stages") for name in frozen_state(model))


def test_published_weights_are_known_by_their_fingerprint(tiny_run: Callable, tmp_path: Path) -> None:
    run, _ = tiny_run("voc")
    model = run.build(CPU)
    pretrained = replace(run, pretrained="swin.pth")
    keep_frozen(tmp_path, pretrained, model)
    assert (tmp_path / FROZEN_FILE).stat().st_size < 1000
    load_frozen(tmp_path, pretrained, model)
    with torch.no_grad():
        next(iter(model.backbone.backbone.patch_embed.parameters())).add_(1e-3)
    with pytest.raises(ValueError, match=r"the weights of swin\.pth are not those that the run in .* was trained with"):
        load_frozen(tmp_path, pretrained, model)
