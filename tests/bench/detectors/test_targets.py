from dataclasses import replace

import torch

from bench.detectors.targets import NO_OBJECT, DetectionTargets


def test_targets_with_rows_stay_as_they_are(targets) -> None:
    truth = targets(2, 3, 8, 8, 5)
    assert truth.with_rows() is truth


def test_targets_without_rows_get_one_of_padding() -> None:
    truth = DetectionTargets(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.long))
    padded = truth.with_rows()
    assert padded.boxes.shape == (2, 1, 4)
    assert padded.labels.tolist() == [[NO_OBJECT], [NO_OBJECT]]
    assert padded.labels.dtype == torch.int64
    assert padded.masks is None


def test_masks_get_an_empty_row_too() -> None:
    masks = torch.zeros(2, 0, 6, 8, dtype=torch.uint8)
    padded = DetectionTargets(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.long), masks).with_rows()
    assert padded.masks is not None
    assert padded.masks.shape == (2, 1, 6, 8)
    assert padded.masks.dtype == torch.uint8
    assert not padded.masks.any()


def test_every_image_fills_the_batch_unless_sizes_are_stated() -> None:
    truth = DetectionTargets(torch.zeros(2, 1, 4), torch.zeros(2, 1, dtype=torch.int64))
    assert truth.sizes((64, 96)) == [(64, 96), (64, 96)]
    assert replace(truth, valid_sizes=((60, 90), (64, 50))).sizes((64, 96)) == [(60, 90), (64, 50)]


def test_generators_differ_by_image_and_use_and_repeat() -> None:
    truth = DetectionTargets(torch.zeros(2, 1, 4), torch.zeros(2, 1, dtype=torch.int64))
    assert truth.generator(0, 0) is None
    seeded = replace(truth, seeds=(5, 2**64 - 1))
    seeds = [[seeded.generator(image, use).initial_seed() for image in range(2) for use in range(4)] for _ in range(2)]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 8
    assert seeded.placed(lambda tensor: tensor.to("meta")).generator(0, 0) is None
