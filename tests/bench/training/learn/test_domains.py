"""Mosaics of textures: labels are what was drawn, and the domains differ as they say."""

import torch

from bench.training.learn.domains import SOURCE, TARGETS, draw_mosaics


def test_the_same_seed_draws_the_same_and_others_do_not() -> None:
    images, labels = draw_mosaics(SOURCE, 4, 56, seed=3)
    assert images.shape == (4, 3, 56, 56)
    assert labels.shape == (4, 56, 56)
    again, same_labels = draw_mosaics(SOURCE, 6, 56, seed=3)
    assert torch.equal(images, again[:4])
    assert torch.equal(labels, same_labels[:4])
    for other, _ in (draw_mosaics(SOURCE, 4, 56, seed=4), draw_mosaics(SOURCE, 4, 56, seed=3, validation=True)):
        assert not any(torch.equal(a, b) for a in images for b in other)


def test_all_classes_occur_about_equally() -> None:
    for domain in (SOURCE, *TARGETS.values()):
        _, labels = draw_mosaics(domain, 100, 56, seed=0)
        shares = torch.bincount(labels.flatten(), minlength=6) / labels.numel()
        assert len(shares) == len(domain.classes) == 6
        assert shares.min() > 0.08
        assert shares.max() < 0.3


def test_stripes_at_0_and_90_degrees_change_along_different_axes() -> None:
    """Differences between neighbours to the right and below, by arithmetic on the pixels of each class."""
    images, labels = draw_mosaics(TARGETS["angles"], 60, 56, seed=0)
    grey = images.mean(1)
    right = (grey[:, :, 4:] - grey[:, :, :-4]).abs()[:, :-4]
    below = (grey[:, 4:] - grey[:, :-4]).abs()[:, :, :-4]
    inside = labels[:, :-4, :-4]
    for label, wide, flat in ((0, right, below), (2, below, right)):
        same = (inside == label) & (labels[:, 4:, :-4] == label) & (labels[:, :-4, 4:] == label)
        assert wide[same].mean() > 1.3 * flat[same].mean()


def test_targets_are_greyer_and_noisier_than_the_source() -> None:
    def colour(name: str) -> float:
        images, _ = draw_mosaics(SOURCE if name == "source" else TARGETS[name], 30, 56, seed=0)
        return float((images.amax(1) - images.amin(1)).mean())

    assert colour("source") > 1.3 * colour("kinds")
    assert TARGETS["kinds"].style == TARGETS["angles"].style
    assert TARGETS["kinds"].style.noise > 2 * SOURCE.style.noise
