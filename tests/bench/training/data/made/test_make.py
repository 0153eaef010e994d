"""Whole sets: the same seed gives the same bytes, and what goes wrong leaves nothing behind."""

import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bench.training.data.made import make_set
from bench.training.data.made.images import draw_image
from bench.training.data.made.new_folder import filled_whole
from bench.training.data.made.outlines import extent
from bench.training.data.made.settings import MadeSettings
from bench.training.data.open_data import open_data
from drystep.commands.program.interruption import Interrupted
from drystep.errors import OutputError

TASKS = ("voc", "coco", "ade20k")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """The system refuses to write more than so many bytes into a file, as it does where no space is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_bytes(task: str, tmp_path: Path) -> None:
    made = {
        name: make_set(task, tmp_path / name, train=6, val=4, seed=seed).folder
        for name, seed in (("one", 5), ("again", 5), ("other", 6))
    }
    one, again, other = map(digests, made.values())
    assert one == again
    assert one.keys() == other.keys()
    images = [name for name in one if name.endswith(".jpg")]
    assert len({one[name] for name in images} | {other[name] for name in images}) == 20  # none is another's


@pytest.mark.parametrize("task", TASKS)
def test_validation_images_show_other_scenes(task: str) -> None:
    settings = MadeSettings(task=task)
    train, val = ([draw_image(settings, split, index) for index in range(6)] for split in ("train", "val"))
    for one in train:
        for other in val:
            masks = [np.logical_or.reduce([thing.whole for thing in scene.objects]) for scene in (one, other)]
            assert masks[0].shape != masks[1].shape or (masks[0] != masks[1]).any()


@pytest.mark.parametrize("task", TASKS)
def test_a_larger_set_begins_with_the_images_of_a_smaller_one(task: str, tmp_path: Path) -> None:
    small, large = (digests(make_set(task, tmp_path / str(n), train=n, val=2).folder) for n in (4, 8))
    pictures = [{digest for name, digest in each.items() if name.endswith("jpg")} for each in (small, large)]
    assert pictures[0] < pictures[1]


@pytest.mark.parametrize(("task", "root"), [("voc", "VOCdevkit"), ("coco", "."), ("ade20k", "ADEChallengeData2016")])
def test_a_note_says_that_it_is_made_up(task: str, root: str, tmp_path: Path) -> None:
    made = make_set(task, tmp_path / "new" / "set", train=5, val=3, image_size=(64, 80), seed=9, style="source")
    for place in (made.folder, made.folder / root):
        note = json.loads((place / "made-up.json").read_text())
        assert note.pop("classes") == list(made.classes)
        assert note == {
            "made_up": True, "task": task, "train": 5, "val": 3, "image_size": [64, 80], "seed": 9, "style": "source",
        }  # fmt: skip
    assert sum(made.numbers.images.values()) == 8 == len(list(made.folder.rglob("*.jpg")))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty: name a new folder"):
        make_set("voc", tmp_path, train=4, val=1)
    assert digests(tmp_path).keys() == {"mine.txt"}


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    make_set("coco", tmp_path, train=4, val=1)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "annotations", "made-up.json", "train2017", "val2017",
    ]  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("exists", [True, False])
def test_a_refused_write_leaves_nothing(task: str, exists: bool, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    if exists:
        folder.mkdir()
    with files_of_at_most(2000), pytest.raises(OutputError, match="cannot write to .*set: File too large; nothing"):
        make_set(task, folder, train=4, val=1)
    assert list(tmp_path.rglob("*")) == ([folder] if exists else [])


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Interrupted), filled_whole(tmp_path / "set") as unfinished:
        (unfinished / "part").mkdir()
        (unfinished / "part" / "file").write_text("half")
        raise Interrupted(15)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_moving_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "second":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="No space left on device"), filled_whole(tmp_path / "set") as unfinished:
        (unfinished / "first").mkdir()
        (unfinished / "first" / "file").write_text("whole")
        (unfinished / "second").write_text("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", TASKS)
def test_training_reads_what_was_drawn(task: str, tmp_path: Path) -> None:
    folder = make_set(task, tmp_path / "set", train=8, val=2).folder
    for split, count in (("train", 8), ("val", 2)):
        data = open_data(task, folder, split)
        assert data.made_up
        assert len(data.entries) == count
        assert not data.remarks
        for index in range(count):
            scene = draw_image(MadeSettings(task=task), split, index)
            sample = data.read(index)
            assert tuple(sample["image"].shape[1:]) == scene.pixels.shape[:2]
            if task != "ade20k":
                learned = [thing for thing in scene.objects if thing.kind == "plain"]
                assert sample["boxes"].tolist() == [list(map(float, extent(thing.seen))) for thing in learned]
                assert len(sample["ignored"]) == len(scene.objects) - len(learned)
                assert [data.classes[label] for label in sample["labels"]] == [
                    thing.made_class.name for thing in learned
                ]
            if task == "coco":
                assert (sample["masks"].numpy() == np.stack([thing.seen for thing in learned])).all()
