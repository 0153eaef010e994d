from pathlib import Path

from bench import Result
from bench.proof.folder import Folder, Note
from bench.proof.requests import Difference, difference, differences, sizes_item
from tests.bench.proof.fake_card import tiny


def test_what_only_one_side_requests() -> None:
    """The card requests 512 bytes twice more and has a workspace; the simulation has a size of its own, three times."""
    found = difference([(512, 5), (100, 2), (1 << 20, 1)], [(512, 3), (100, 2), (64, 3)])
    assert found == Difference([(1 << 20, 1), (512, 2)], [(64, 3)], common=3 + 2)


def test_sizes_come_from_the_notes_of_both_sides(tmp_path: Path) -> None:
    folder, case = Folder(tmp_path), tiny("full")
    folder.add_result(Result(case, "ok", {}))
    assert differences(folder) == {}
    folder.add_note(Note(f"snapshot {case.title}", "ok", figures={"sizes": [[512, 1], [4, 1]]}))
    assert differences(folder) == {}
    folder.add_note(Note(sizes_item(case), "ok", figures={"sizes": [[512, 1]]}))
    assert differences(Folder(tmp_path)) == {case.title: Difference([(4, 1)], [], 1)}
