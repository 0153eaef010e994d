import pytest
import torch

from drystep import simulate


def _step(device: torch.device):
    layer = torch.nn.Linear(64, 64).to(device)
    return lambda: layer(torch.empty(8, 64, device=device)).sum().backward()


@pytest.mark.parametrize("name", ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"])
def test_settings_of_the_environment_are_said_to_be_ignored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = simulate(_step)
    assert plain.warnings == ()
    monkeypatch.setenv(name, "expandable_segments:True")
    warned = simulate(_step)
    assert warned.peak_reserved_bytes == plain.peak_reserved_bytes
    (warning,) = warned.warnings
    assert warning.startswith(f"{name}=expandable_segments:True is ignored")
