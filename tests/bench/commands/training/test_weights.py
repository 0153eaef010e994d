import pytest

from bench.commands.training.weights import naming_weights


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["train", "--pretrained", "--seed", "1"], ["train", "--pretrained", "timm", "--seed", "1"]),
        (["train", "--pretrained"], ["train", "--pretrained", "timm"]),
        (["train", "--pretrained", "swin.pth", "--seed", "1"], ["train", "--pretrained", "swin.pth", "--seed", "1"]),
        (["train", "--pretrained=swin.pth"], ["train", "--pretrained=swin.pth"]),
        (["run"], ["run"]),
        ([], []),
    ],
)
def test_the_option_without_a_file_names_the_published_weights(given: list[str], named: list[str]) -> None:
    assert naming_weights(given) == named
