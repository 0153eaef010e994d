"""What a name on the command line means."""

from pathlib import Path

import pytest

from drystep.gpus.classes import read_gpus, select_gpu, select_gpus


def _named(*names: str, files: tuple[Path, ...] = ()) -> list[str]:
    return [gpu.name for gpu in select_gpus(names, files)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rtx-4090-24gb", ["rtx-4090-24gb"]),
        ("rtx-4090", ["rtx-4090-24gb"]),
        ("RTX 4090", ["rtx-4090-24gb"]),
        ("rtx4090", ["rtx-4090-24gb"]),
        ("4090", ["rtx-4090-24gb"]),
        ("NVIDIA GeForce RTX 4090", ["rtx-4090-24gb"]),
        ("1080 Ti", ["gtx-1080ti-11gb"]),
        ("RTX A6000", ["a6000-48gb"]),
        ("TITAN RTX", ["titan-rtx-24gb"]),
        ("Tesla T4", ["t4-16gb"]),
        ("a100", ["a100-40gb", "a100-80gb"]),
        ("A100 80GB", ["a100-80gb"]),
        ("V100", ["v100-16gb", "v100-32gb"]),
    ],
)
def test_a_card_as_people_write_it(name: str, meant: list[str]) -> None:
    assert _named(name) == meant


def test_all() -> None:
    assert _named("all") == _named("ALL") == [*read_gpus()]
    assert len(read_gpus()) >= 34


def test_a_memory_names_all_cards_that_have_it(tmp_path: Path) -> None:
    known = [*read_gpus()]
    assert _named("24gb") == _named("24 GB") == [name for name in known if name.endswith("-24gb")]
    path = tmp_path / "mine.toml"
    path.write_text("[mine-24gb]\nvisible_mib = 20000\n[mine-124gb]\nvisible_mib = 100000\n")
    assert _named("24gb", files=(path,))[0] == "mine-24gb"  # by memory, and 124 GB are not 24
    assert set(_named("24gb", files=(path,))) == {*_named("24gb"), "mine-24gb"}
    assert _named("all", files=(path,)).index("mine-24gb") < len(known) - 1
    assert _named("mine", files=(path,)) == ["mine-24gb", "mine-124gb"]


def test_each_class_is_judged_once_in_the_order_of_the_names() -> None:
    assert _named("v100-32gb", "p100", "32gb", "v100-32gb") == ["v100-32gb", "p100-16gb", "rtx-5090-32gb"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("t4-16g", "did you mean t4-16gb? "),
        ("v100-32g", "did you mean v100-32gb? "),
        ("rtx-4091", "did you mean rtx-4090-24gb? "),
        ("rtx-4090-42gb", "did you mean rtx-4090-24gb? "),
        ("GTX 4090", "did you mean rtx-4090-24gb? "),
        ("a10", "did you mean a10g-24gb, a100-40gb or a100-80gb? "),
        ("h100-pcie", "did you mean h100-80gb? "),
        ("NVIDIA H100 80GB HBM3", "did you mean h100-80gb? "),
        ("NVIDIA A100-SXM4-80GB", "did you mean a100-40gb or a100-80gb? "),
        ("abacus", ""),
        ("13gb", ""),
        ("nvidia", ""),
        ("", ""),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match="unknown GPU") as raised:
        select_gpus([name])
    assert str(raised.value) == f"unknown GPU {name!r}: {meant}`drystep gpus` lists all {len(read_gpus())}"


def test_a_name_must_be_a_text() -> None:
    with pytest.raises(ValueError, match="a GPU is named by a text, such as 'v100-32gb', got 5"):
        select_gpus([5])  # type: ignore[list-item]


def test_one_card() -> None:
    assert select_gpu("H200").name == "h200-141gb"
    with pytest.raises(ValueError, match="^GPU 'a100' means 2 classes: choose from a100-40gb, a100-80gb$"):
        select_gpu("a100")
