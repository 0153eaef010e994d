import pytest

from bench.cases.methods import METHODS
from e3va.backbones.swin import build_swin

# Closed forms summed over the blocks of Swin-L and Swin-B; the paper's Tables 1 and 2 print them rounded.
TRAINABLE = {
    "full": (194_998_164, 86_745_016),
    "fixed": (0, 0),
    "bitfit": (302_484, 201_656),
    "norm_tuning": (89_088, 59_392),
    "partial1": (28_339_632, 12_601_632),
    "adapter": (4_659_456, 3_107_328),
    "lora": (4_620_288, 3_080_192),
    "adaptformer": (4_659_456, 3_107_328),
    "lorand": (1_792_896, 1_197_312),
    "e3va": (1_792_512, 1_195_008),
    "e3va+": (3_525_120, 2_350_080),
    "e3va++": (6_990_336, 4_660_224),
    # Tables 5 and 6: 130 d + 64 per block and the norms; 8 d^2 + 8 d per merging; without the norms.
    "e3va-standard": (2_353_536, 1_569_536),
    "e3va-stacked": (1_792_512, 1_195_008),
    "e3va-trained-merging": (1_792_512 + 6_203_904, 1_195_008 + 2_759_680),
    "e3va-frozen-norms": (1_786_752, 1_191_168),
}


@pytest.mark.parametrize("method", TRAINABLE)
@pytest.mark.parametrize(("backbone", "column"), [("swin_large", 0), ("swin_base", 1)])
def test_trainable_parameters_of_the_backbone(method: str, backbone: str, column: int) -> None:
    tuned = METHODS[method].load().apply(build_swin(backbone, device="meta"))
    assert sum(p.numel() for p in tuned.parameters() if p.requires_grad) == TRAINABLE[method][column]
