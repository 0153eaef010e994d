from collections.abc import Iterator

import pytest
import torch

from drystep.measure.kernels import describe_kernels, pin_kernels


@pytest.fixture
def everything_else() -> Iterator[None]:
    """Every setting as `pin_kernels` does not want it; what was set before comes back. None of this needs a GPU."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    before = (
        cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, cuda.cudnn_sdp_enabled()
    )  # fmt: skip

    def set_all(matmul: bool, convolution: bool, benchmark: bool, deterministic: bool, attention: bool) -> None:
        cuda.matmul.allow_tf32, cudnn.allow_tf32 = matmul, convolution
        cudnn.benchmark, cudnn.deterministic = benchmark, deterministic
        cuda.enable_cudnn_sdp(attention)

    set_all(True, True, True, True, True)
    yield
    set_all(*before)


def test_every_kernel_is_pinned(everything_else: None) -> None:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    assert cuda.matmul.allow_tf32
    assert cudnn.allow_tf32
    pin_kernels()
    assert not cuda.matmul.allow_tf32
    assert not cudnn.allow_tf32
    assert not cudnn.benchmark
    assert not cudnn.deterministic
    assert not cuda.cudnn_sdp_enabled()


def test_a_result_says_how_they_were(everything_else: None) -> None:
    names = ("matmul_tf32", "cudnn_tf32", "cudnn_benchmark", "cudnn_deterministic")
    described = describe_kernels(fused_attention=True)
    assert [described[name] for name in names] == [True] * 4
    assert "cudnn" in described["attention"]
    pin_kernels()
    described = describe_kernels(fused_attention=True)
    assert [described[name] for name in names] == [False] * 4
    assert "cudnn" not in described["attention"]
    assert describe_kernels(fused_attention=False)["attention"] == "explicit"
