import pytest

from bench import Case
from bench.engines.headroom import Attempt, image_of, largest, search
from drystep.gpus.classes import Gpu

GIB = 1 << 30


@pytest.mark.parametrize("answer", [0, 1, 2, 7, 8, 63, 64])
@pytest.mark.parametrize("start", [1, 3, 8, 64, 100])
@pytest.mark.parametrize("bend", [0.0, 0.5])
def test_finds_the_largest(answer: int, start: int, bend: float) -> None:
    """Whatever the curve: what fits is decided by attempts, the line only says where to look."""
    asked = []

    def attempt(count: int) -> Attempt:
        asked.append(count)
        return Attempt("fits" if count <= answer else "oom", int(GIB * (1 + count ** (1 + bend))), 0)

    usable = int(GIB * (1.5 + answer ** (1 + bend)))
    assert largest(attempt, start, limit=64, usable_bytes=usable, load=float) == answer
    assert all(1 <= count <= 64 for count in asked)
    assert len(asked) == len(set(asked)) <= (5 if bend == 0 else 15)


def test_finds_the_largest_also_without_any_line() -> None:
    asked = []

    def attempt(count: int) -> Attempt:
        asked.append(count)
        return Attempt("fits" if count <= 700 else "oom", GIB, 0)

    assert largest(attempt, 1, limit=1024, usable_bytes=GIB, load=float) == 700
    assert len(asked) < 25


def test_images_keep_the_tasks_shape() -> None:
    assert image_of("coco", 25) == (800, 1344)
    assert image_of("voc", 19) == (608, 1024)
    assert image_of("ade20k", 16) == (512, 512)
    assert image_of("coco", 1) == (32, 64)


@pytest.mark.nightly
def test_a_card_holds_its_largest_batch_and_no_more() -> None:
    gpu = Gpu("mini", "Mini", visible_mib=1500, context_mib=300)
    case = Case(task="voc", method="e3va", backbone="swin_tiny", image_size=(256, 256), engine="simulate")
    found = search(case, gpu)
    assert found.verdict == "fits"
    assert 0 < found.headroom_bytes < gpu.usable_bytes
    assert found.largest_batch > case.batch_size
    assert min(found.largest_image) >= 256


@pytest.mark.nightly
def test_what_never_fits() -> None:
    gpu = Gpu("nano", "Nano", visible_mib=300, context_mib=200)
    found = search(Case(task="voc", method="full", backbone="swin_tiny", engine="simulate"), gpu)
    assert (found.verdict, found.headroom_bytes, found.largest_batch, found.largest_image) == ("oom", None, 0, None)
