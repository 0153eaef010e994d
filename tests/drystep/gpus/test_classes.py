import tomllib
from pathlib import Path

import pytest

from drystep.gpus.classes import OWN_CLASSES, Gpu, read_gpus, select_gpus

MIB = 1 << 20


def test_our_classes_are_what_the_cards_show() -> None:
    visible = {name: gpu.visible_mib for name, gpu in read_gpus().items()}
    papers = {"gtx-1080ti-11gb": 11178, "p100-16gb": 16280, "rtx-3090-24gb": 24125, "v100-32gb": 32510}
    on_request = {"rtx-4090-24gb": 24207, "rtx-5090-32gb": 32113, "h200-141gb": 143155, "t4-16gb": 14912}
    assert {name: visible[name] for name in (*papers, *on_request)} == {**papers, **on_request}
    assert [gpu.name for gpu in select_gpus()] == [*papers]
    assert [gpu.name for gpu in select_gpus([*on_request])] == [*on_request]
    assert all(gpu.usable_bytes == (gpu.visible_mib - gpu.context_mib) * MIB for gpu in read_gpus().values())


def test_our_classes_are_listed_by_memory_and_have_sources() -> None:
    gpus = [*read_gpus().values()]
    assert [gpu.visible_mib for gpu in gpus] == sorted(gpu.visible_mib for gpu in gpus)
    assert all(gpu.source and gpu.context_source and gpu.label and gpu.compute_capability for gpu in gpus)
    assert {gpu.name for gpu in gpus if gpu.usable_with_eager_kernels_bytes > gpu.usable_bytes} == set()


@pytest.mark.parametrize("gpu", read_gpus().values(), ids=lambda gpu: gpu.name)
def test_a_name_ends_with_the_memory(gpu: Gpu) -> None:
    """Marketing counts 2^30 or 10^9 bytes, and the driver and error correction keep some."""
    stem, _, memory = gpu.name.rpartition("-")
    assert stem and memory == memory.lower() and memory.endswith("gb")
    assert gpu.visible_mib * MIB / 1e9 == pytest.approx(int(memory[:-2]), rel=0.1)
    assert f"({memory[:-2]} GB)" in gpu.label


def test_a_class_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[rtx-4060-8gb]\nvisible_mib = 7933\ncontext_mib = 300\n")
    (gpu,) = select_gpus(["rtx-4060-8gb"], [path])
    assert gpu.usable_bytes == 7633 * MIB
    assert gpu.label == "rtx-4060-8gb"
    assert len(select_gpus([], [path])) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[card]\ncontext_mib = 3\n", r"\[card\] has no capacity: give visible_mib"),
        ("[card]\nvisible_mib = -5\n", r"\[card\] visible_mib must be between 0 and 16777216 MiB, got -5"),
        ('[card]\nvisible_mib = "8 GB"\n', "visible_mib must be a whole number between 0 and 16777216 MiB, got '8 GB'"),
        ("[card]\nvisible_mib = true\n", "visible_mib must be a whole number"),
        ("[card]\nvisible_mib = 16777217\n", "visible_mib must be between 0 and 16777216 MiB, got 16777217"),
        ("[card]\nvisible_mib = inf\n", "visible_mib must be a whole number between 0 and 16777216 MiB, got inf"),
        (f"[card]\nvisible_mib = {'9' * 400}\n", "16777216 MiB, got a number of about 400 digits"),
        ("[card]\nvisible_mib = 400\n", r"leaves nothing for tensors: visible_mib must exceed the context \(512 MiB\)"),
        ("[card]\nvisible_mib = 4000\ncores = 3\n", r"\[card\] has unknown fields cores: use label, visible_mib"),
        ("[card]\nvisible_mib = 4000\nlabel = 3\n", "label must be text, not 3"),
        ("visible_mib = 4000\n", "must be a table with visible_mib"),
        ("", "names no GPU: write one table per card"),
        ("[card\n", "is not TOML"),
    ],
)
def test_bad_files_name_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_gpus(path)


def test_the_files_of_our_classes_share_no_name_and_say_what_else_is_there() -> None:
    tables = [name for path in OWN_CLASSES.glob("*.toml") for name in read_gpus(path)]
    assert sorted(tables) == sorted(read_gpus())
    fields = {
        field
        for path in OWN_CLASSES.glob("*.toml")
        for row in tomllib.loads(path.read_text()).values()
        for field in row
    }
    explained = (OWN_CLASSES / "README.md").read_text()
    assert all(f"`{field}`" in explained for field in fields - {"label", "compute_capability"})


def test_what_is_read_of_ours_can_be_changed() -> None:
    read_gpus().clear()
    assert read_gpus()


def test_a_missing_file() -> None:
    with pytest.raises(ValueError, match="cannot read GPU classes from nowhere.toml: No such file"):
        read_gpus(Path("nowhere.toml"))
