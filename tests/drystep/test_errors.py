import time
import tomllib

import pytest

from drystep.errors import choose, nearest, one_of

MODELS = [
    *(f"vit_{size}_patch{patch}_{pixels}" for size in ("base", "large") for patch in (14, 16) for pixels in (224, 384)),
    *(f"resnet{depth}{form}" for depth in (18, 34, 50, 101, 152) for form in ("", "c", "d")),
    "swin_tiny_patch4_window7_224", "convnext_tiny", *(f"efficientnet_b{number}" for number in range(8)),
]  # fmt: skip


def test_a_short_list_is_given_whole_and_the_nearest_first() -> None:
    assert choose("mode", "train", ("train", "inference")) == "train"
    with pytest.raises(ValueError, match="^unknown mode 'trian': did you mean train\\? choose from train, inference$"):
        choose("mode", "trian", iter(("train", "inference")))
    with pytest.raises(ValueError, match="^unknown mode 'vpt': choose from train, inference$"):
        choose("mode", "vpt", ("train", "inference"))
    with pytest.raises(ValueError, match="^unknown version '3.0': choose from 2.0, 2.1$"):  # digits alone say nothing
        choose("version", "3.0", ("2.0", "2.1"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("resnet5O", "resnet50, resnet50c, resnet50d, .*"),
        ("vit_base_patch16", "vit_base_patch16_224 or vit_base_patch16_384"),
        ("ViT-Base-Patch16-224", "vit_base_patch16_224"),
        ("swin_tiny", "swin_tiny_patch4_window7_224"),
        ("convnxt_tiny", "convnext_tiny"),
    ],
)
def test_of_a_long_list_the_nearest_are_named(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"^unknown model '{typed}': did you mean {meant}\\? there are {len(MODELS)}$"):
        choose("model", typed, MODELS)


def test_a_name_like_none_of_a_long_list() -> None:
    with pytest.raises(ValueError, match=f"^unknown model 'qwertz': none of {len(MODELS)} is like it$"):
        choose("model", "qwertz", MODELS)


def test_no_more_than_five_are_named() -> None:
    assert nearest("resnet", MODELS) == ["resnet18", "resnet34", "resnet50", "resnet18c", "resnet18d"]
    assert nearest("resnet", MODELS, most=2) == ["resnet18", "resnet34"]


def test_a_part_of_each_name_can_be_compared() -> None:
    colors = {"first": "green", "second": "blue"}
    assert nearest("gren", [*colors], form=colors.__getitem__) == ["first"]


def test_what_is_no_name_is_like_none() -> None:
    assert nearest("", MODELS) == nearest("???", MODELS) == nearest("50", MODELS) == []
    assert nearest(tomllib.loads("name = 5")["name"], MODELS) == []


def test_a_thousand_names_and_a_long_one_take_no_time() -> None:
    many = [f"{name}_{number}" for name in MODELS for number in range(60)]
    start = time.perf_counter()
    assert nearest("vit_bse_patch16_224" * 10_000, many) == []
    assert len(nearest("vit_bse_patch16_224", many)) == 5
    assert time.perf_counter() - start < 2


def test_a_choice_in_words() -> None:
    assert [one_of(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == ["", "a", "a or b", "a, b or c"]
