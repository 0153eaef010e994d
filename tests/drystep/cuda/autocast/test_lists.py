"""The lists of each version beside what its wheel registers.

`registrations.csv` was read off the wheels of PyPI: for 1.7 to 2.1 the registrations themselves (`yes`), from 2.0 on
the policy that each wrapper in `libtorch_cpu.so` was compiled with (`WrapFunction_<CastPolicy, DeviceType::CUDA>`).
"""

import csv
from pathlib import Path

import pytest
import torch

from drystep.cuda.autocast.lists import APEX, CastLists, pytorch_lists
from drystep.cuda.rules import VERSIONS, Rules

ROWS = list(csv.DictReader(Path(__file__).with_name("registrations.csv").read_text().splitlines()))
READ = [version for version in ROWS[0] if version != "operator"]
NOT_WRAPPED = {
    "_cudnn_rnn", "binary_cross_entropy", "norm.Scalar", "norm.ScalarOpt_dim", "norm.names_ScalarOpt_dim",
}  # fmt: skip
"""Registered with functions of their own, so that only registrations tell of them."""
WITHOUT_EFFECT = {
    "_cat": "called by cat alone, whose own cast came before",
    "_convolution_nogroup": "no caller was left",
    "equal": "its result is no tensor",
    "cat.names": "names of dimensions", "norm.names_ScalarOpt_dim": "names of dimensions",
    "frobenius_norm": "no overload of that name is left", "chain_matmul": "calls matmul, which is cast",
    "nuclear_norm": "calls linalg_matrix_norm",
}  # fmt: skip
"""Operators that no list needs, and why. Overloads by names of dimensions went with 2.13."""


def _names(operators) -> set[str]:
    return {operator.name().removeprefix("aten::") for operator in operators}


def _policies(lists: CastLists) -> dict[str, set[str]]:
    return {policy: _names(getattr(lists, policy)) for policy in ("lower", "fp32", "fp32_dtype", "widest")}


def _overloads_here(name: str) -> bool:
    packet, _, overload = name.partition(".")
    return hasattr(getattr(torch.ops.aten, packet, None), overload or "default")


@pytest.mark.parametrize("version", READ)
def test_lists_are_what_the_wheel_registers(version: str) -> None:
    lists = pytorch_lists(Rules(torch=version).version)
    ours = _policies(lists)
    listed = {name for names in ours.values() for name in names}
    listed |= _names(lists.fp32_appended) | _names(lists.banned)
    for row in ROWS:
        name, stated = row["operator"], row[version]
        if name in WITHOUT_EFFECT or "deprecated" in name or "imname" in name or not _overloads_here(name):
            continue
        if stated:
            assert name in listed, f"{name}: the wheel casts it"
        elif name not in NOT_WRAPPED:
            assert name not in listed, f"{name}: the wheel does not cast it"
        if stated in ours:
            assert name in ours[stated]


def test_every_operator_that_the_installed_pytorch_casts_is_known() -> None:
    """Registrations can be asked without a GPU, and name overloads."""
    installed = ".".join(torch.__version__.split(".")[:2])
    lists = pytorch_lists(Rules(torch=installed).version)
    known = {name for names in _policies(lists).values() for name in names}
    known |= _names(lists.fp32_appended) | _names(lists.banned) | WITHOUT_EFFECT.keys()
    registered = {
        name.removeprefix("aten::")
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(name, "AutocastCUDA")
    }
    assert len(registered) > 100
    assert registered - known == set()


def test_a_version_between_those_that_were_read_is_like_its_neighbours() -> None:
    assert {"2.8", "2.10"} <= set(VERSIONS) - set(READ)
    assert pytorch_lists((2, 7)) == pytorch_lists((2, 8)) == pytorch_lists((2, 9)) == pytorch_lists((2, 10))


def test_gelu_and_upsampling_by_version() -> None:
    """Those of which the memory of public reports depends."""
    gelu, upsampling = torch.ops.aten.gelu.default, torch.ops.aten.upsample_bilinear2d.default
    assert [gelu in pytorch_lists(version).fp32 for version in ((1, 9), (1, 10))] == [True, False]
    assert [upsampling in pytorch_lists(version).fp32 for version in ((2, 3), (2, 4))] == [False, True]


def test_apex_has_lists_of_its_own() -> None:
    assert torch.ops.aten.einsum.default not in APEX.lower and torch.ops.aten.linear.default in APEX.lower
