"""A study in miniature: what trains, what is shared by a seed, and the same values again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from bench.training.learn import study, training
from bench.training.learn.model import LinearHead
from bench.training.learn.settings import RANDOM, LearnSettings
from bench.training.learn.study import run_study
from bench.training.learn.training import fine_tune, pretrain

TINY = LearnSettings(
    seeds=(0,), targets=("angles",), methods=("full", "fixed", "e3va"), embed_dim=16, depths=(1, 1, 1), heads=(1, 1, 2),
    source_images=8, target_images=8, validation_images=20, pretraining_steps=2, pretraining_batch=4, steps=2, batch=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def pretrained():
    return pretrain(TINY)[0]


def test_only_what_a_method_trains_changes(pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    train = training._train

    def spy(model, *arguments) -> None:
        before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
        train(model, *arguments)
        seen["changed"] = {n for n, value in model.backbone.state_dict().items() if not torch.equal(value, before[n])}

    monkeypatch.setattr(training, "_train", spy)
    run = fine_tune(TINY, "angles", "fixed", 0, pretrained)
    assert run.trained_parameters == 0
    assert seen["changed"] == set()
    run = fine_tune(TINY, "angles", "e3va", 0, pretrained)
    assert run.trained_parameters > 0
    assert seen["changed"]
    assert all(name.startswith(("highway.", "backbone.norms.")) for name in seen["changed"])


def test_methods_of_a_seed_begin_with_the_same_head_images_and_order(pretrained, monkeypatch) -> None:
    begun = {}

    def spy(model, images, labels, settings, steps, batch, rate, seed) -> None:
        begun[name] = [*model.head.state_dict().values(), images, labels, torch.tensor(seed)]
        begun[name, "backbone"] = model.backbone

    monkeypatch.setattr(training, "_train", spy)
    for name in ("fixed", "full", "e3va", "adapter", RANDOM):
        fine_tune(TINY, "angles", name, 1, pretrained)
        assert all(map(torch.equal, begun[name], begun["fixed"]))
    assert torch.equal(begun["full", "backbone"].patch_embed.proj.weight, pretrained["patch_embed.proj.weight"])
    assert not torch.equal(begun[RANDOM, "backbone"].patch_embed.proj.weight, pretrained["patch_embed.proj.weight"])


def test_a_study_has_a_run_for_each_target_method_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_pool", lambda processes: ThreadPoolExecutor(1))  # a process takes seconds to begin
    heard = []
    settings = replace(TINY, seeds=(1, 2), methods=("fixed", "e3va"))
    found = run_study(settings, 2, heard.append, heard.append)
    assert [(run.target, run.method, run.seed) for run in found.runs] == [
        ("angles", method, seed) for method in ("fixed", "e3va", RANDOM) for seed in (1, 2)
    ]
    assert heard[0] == found.source_miou
    assert sorted(heard[1:], key=str) == sorted(found.runs, key=str)
    state, source_miou = pretrain(settings)
    assert source_miou == found.source_miou
    for run in found.runs[1:3]:
        assert replace(fine_tune(settings, "angles", run.method, run.seed, state), seconds=run.seconds) == run


def test_no_process_is_refused() -> None:
    with pytest.raises(ValueError, match="the number of processes must be at least 1, got 0"):
        run_study(TINY, 0)


def test_every_image_occurs_before_one_occurs_again() -> None:
    order = torch.cat(list(training._order(images=5, batch=2, steps=5, seed=0)))
    assert sorted(order[:5].tolist()) == sorted(order[5:].tolist()) == list(range(5))


def test_the_head_is_linear() -> None:
    """f(a + b) - f(b) = f(a) - f(0), for maps of three resolutions."""
    head = LinearHead((4, 8, 16), 3)
    first, second = ([torch.randn(2, 4 * 2**k, 14 // 2**k, 14 // 2**k) for k in range(3)] for _ in range(2))
    both = [a + b for a, b in zip(first, second, strict=True)]
    nothing = [torch.zeros_like(a) for a in first]
    torch.testing.assert_close(head(both) - head(second), head(first) - head(nothing), atol=1e-5, rtol=1e-4)
    assert head(first).shape == (2, 3, 14, 14)
    alone = [first[0], *nothing[1:]]
    expected = F.conv2d(first[0], head.layers[0].weight) + sum(layer.bias for layer in head.layers)[:, None, None]
    torch.testing.assert_close(head(alone), expected, atol=1e-5, rtol=1e-4)
