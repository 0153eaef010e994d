import pytest

from bench import Case
from bench.engines.allocator_notes import allocator_notes

SIMULATED = Case(task="voc", method="full", engine="simulate")
ON_CUDA = Case(task="voc", method="full", engine="cuda")


def test_nothing_to_say_of_the_default() -> None:
    assert allocator_notes([SIMULATED, ON_CUDA]) == []


def test_what_is_followed_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True,pinned_use_background_threads:True")
    unseen, followed, ignored = allocator_notes([SIMULATED, ON_CUDA])
    assert unseen == "allocator setting pinned_use_background_threads changes nothing that is simulated"
    assert followed.startswith("simulated figures are those of PyTorch's allocator with expandable_segments:True,")
    assert ignored.startswith("engine cuda ignores PYTORCH_CUDA_ALLOC_CONF")
    assert allocator_notes([SIMULATED]) == [unseen, followed]


def test_a_setting_that_cannot_be_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "backend:cudaMallocAsync")
    with pytest.raises(ValueError, match="PYTORCH_CUDA_ALLOC_CONF: backend:cudaMallocAsync cannot be simulated"):
        allocator_notes([SIMULATED])


def test_what_trials_of_cudnn_may_take_is_said() -> None:
    (note,) = allocator_notes([Case(task="voc", method="full", engine="simulate", cudnn_benchmark=True)])
    assert note.startswith("cudnn.benchmark tries algorithms") and "the upper ends of their intervals" in note
