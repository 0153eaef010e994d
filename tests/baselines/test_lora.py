import pytest
import timm
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from baselines.lora import LoRALinear

RANK, ALPHA = 16, 8.0
SWIN = {"model_name": "swin_tiny_patch4_window7_224", "num_classes": 0, "strict_img_size": False}


def _swin() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(**SWIN).eval()


def test_equals_peft_bit_for_bit() -> None:
    reference = inject_adapter_in_model(
        LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=r".*\.qkv", init_lora_weights=False), _swin()
    )
    ours = _swin().requires_grad_(False)
    for name, attention in [(name, module) for name, module in ours.named_modules() if hasattr(module, "qkv")]:
        attention.qkv = LoRALinear(attention.qkv, RANK, ALPHA)
        theirs = reference.get_submodule(f"{name}.qkv")
        attention.qkv.lora_a.data.copy_(theirs.lora_A["default"].weight)
        attention.qkv.lora_b.data[0].copy_(theirs.lora_B["default"].weight)
    image = torch.randn(1, 3, 64, 64)
    expected, output = reference(image), ours(image)
    assert torch.equal(output, expected)
    assert not torch.equal(output, _swin()(image))
    expected.square().sum().backward()
    output.square().sum().backward()
    for name, module in ours.named_modules():
        if isinstance(module, LoRALinear):
            theirs = reference.get_submodule(name)
            assert torch.equal(module.lora_a.grad, theirs.lora_A["default"].weight.grad)
            assert torch.equal(module.lora_b.grad[0], theirs.lora_B["default"].weight.grad)


def test_enabled_groups_change_and_others_do_not() -> None:
    base = nn.Linear(6, 9)
    lora = LoRALinear(base, rank=2, alpha=4.0, enabled=(True, False, True))
    nn.init.normal_(lora.lora_b)
    x = torch.randn(5, 6)
    change = (lora(x) - base(x)).chunk(3, dim=-1)
    a_query, a_value = lora.lora_a.chunk(2)
    torch.testing.assert_close(change[0], 2.0 * x @ a_query.T @ lora.lora_b[0].T)
    assert not change[1].any()
    torch.testing.assert_close(change[2], 2.0 * x @ a_value.T @ lora.lora_b[1].T)


def test_groups_must_divide_the_outputs() -> None:
    with pytest.raises(ValueError, match="10 outputs do not divide into 3 groups"):
        LoRALinear(nn.Linear(4, 10), enabled=(True, False, True))
