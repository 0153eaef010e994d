import importlib

import pytest
import torch
from torch import nn

from e3va.private_parts import MissingPrivatePartError, recompile_limit, window_attention


def test_the_limit_is_restored_and_never_lowered() -> None:
    config = importlib.import_module("torch._dynamo.config")
    before = config.recompile_limit
    with recompile_limit(before + 100):
        assert config.recompile_limit == before + 100
        with recompile_limit(1):
            assert config.recompile_limit == before + 100
    assert config.recompile_limit == before


def test_a_block_without_its_part_is_one_clear_sentence() -> None:
    with pytest.raises(MissingPrivatePartError, match=r"timm [\d.]+ has no Linear._attn, which is needed to run the"):
        window_attention(nn.Linear(1, 1), torch.ones(1))
