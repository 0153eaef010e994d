"""The rebuilt steps: published parameter counts of their models, and the memory that was published of them."""

import json

import pytest
import torch

from drystep.commands.cli import main
from drystep.validation.field_reports.check import check_report
from drystep.validation.field_reports.rows import read_reports
from drystep.validation.ground_truth import FIELD_REPORTS
from drystep.validation.rebuilds.convnext_upernet import ConvNeXtUPerNet
from drystep.validation.rebuilds.dilated_resnet import DilatedResNet
from drystep.validation.rebuilds.families import FAMILIES
from drystep.validation.rebuilds.segformer import CLASSES, HEAD_WIDTH, VARIANTS, SegFormer

META = torch.device("meta")
REPORTS = {report.id: report for report in read_reports(FIELD_REPORTS)}
LIGHT = ("segformer_b0_ade", "r50_plus_4x512x512_21", "timm_mixer_b16_224_224_b384")


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _model(family: str, *arguments: object) -> torch.nn.Module:
    return FAMILIES[family](*arguments)(META).model


def test_every_row_names_a_step_that_drystep_rebuilds() -> None:
    assert len(REPORTS) == 54
    assert {report.rebuild for report in REPORTS.values()} == FAMILIES.keys()
    for report in REPORTS.values():
        assert callable(FAMILIES[report.rebuild](*report.args))


@pytest.mark.parametrize(
    ("family", "arguments", "parameters"),
    [
        ("bert_large", (1,), 335_141_888 + 2 * 1024 + 2),  # the model card's, and a classifier of two classes
        ("llama_3b", (8,), 3_212_749_824),  # the model card's
        ("vit_large_adam", (), 304_326_632),  # torchvision's documentation
        ("swin", ("swin_tiny_patch4_window7_224", 1, 0.2), 28_288_354),  # the authors' table: 28 M
        # ViT-B/16 without its head (timm's table: 85.8 M), and two linear layers
        ("mmcls_vit_base", (1,), 85_798_656 + (768 + 1) * 3072 + (3072 + 1) * 1000),
        ("timm_benchmark", ("resnet152", 1, 224), 60_192_808),  # torchvision's documentation
    ],
)
def test_models_have_the_published_parameters(family: str, arguments: tuple[object, ...], parameters: int) -> None:
    if family in ("bert_large", "llama_3b"):
        pytest.importorskip("transformers")
    assert _parameters(_model(family, *arguments)) == parameters


@pytest.mark.parametrize(
    ("variant", "millions"), [("b0", 3.4), ("b1", 13.1), ("b2", 24.2), ("b3", 44.0), ("b4", 60.8), ("b5", 81.4)]
)
def test_encoders_of_segformer_are_the_papers(variant: str, millions: float) -> None:
    """Table 1 of the paper has the parameters of the encoders."""
    width, depths = VARIANTS[variant]
    with META:
        model = SegFormer(width, depths, CLASSES)
    inputs = 9 * width + 7 * width  # heads 1, 2, 5 and 8
    head = inputs * HEAD_WIDTH + 4 * HEAD_WIDTH * HEAD_WIDTH + 5 * 2 * HEAD_WIDTH + (HEAD_WIDTH + 1) * CLASSES
    assert (_parameters(model) - head) / 1e6 == pytest.approx(millions, abs=0.4)


@pytest.mark.parametrize(("name", "millions"), [("convnext_tiny", 60), ("convnext_base", 122)])
def test_upernets_are_the_papers(name: str, millions: int) -> None:
    """Table 5 of the ConvNeXt paper."""
    with META:
        assert round(_parameters(ConvNeXtUPerNet(name, 0.4)) / 1e6) == millions


def _unit(inputs: int, outputs: int, kernel: int) -> int:
    """Parameters of a convolution with norm."""
    return inputs * outputs * kernel**2 + 2 * outputs


def _separable(inputs: int, outputs: int) -> int:
    return 9 * inputs + 2 * inputs + _unit(inputs, outputs, 1)


@pytest.mark.parametrize(
    ("head", "parameters"),
    [
        ("fcn", _unit(2048, 512, 3) + _unit(512, 512, 3) + _unit(2560, 512, 3)),
        ("psp", 4 * _unit(2048, 512, 1) + _unit(4096, 512, 3)),
        ("aspp", 2 * _unit(2048, 512, 1) + 3 * _unit(2048, 512, 3) + _unit(2560, 512, 3)),
        (
            "plus",
            2 * _unit(2048, 512, 1) + 3 * _separable(2048, 512) + _unit(2560, 512, 3)
            + _unit(256, 48, 1) + _separable(560, 512) + _separable(512, 512),
        ),
    ],
)  # fmt: skip
def test_dilated_resnets_by_arithmetic(head: str, parameters: int) -> None:
    resnet = 25_557_032 - (2048 + 1) * 1000 - _unit(3, 64, 7)  # torchvision's documentation, less classifier and stem
    stem = _unit(3, 32, 3) + _unit(32, 32, 3) + _unit(32, 64, 3)
    classifiers = (512 + 1) * 19 + _unit(1024, 256, 3) + (256 + 1) * 19
    with META:
        assert _parameters(DilatedResNet(50, head, 19)) == resnet + stem + parameters + classifiers


@pytest.mark.parametrize("name", LIGHT)
def test_light_rows_are_as_published(name: str) -> None:
    report = REPORTS[name]
    check = check_report(report, FAMILIES[report.rebuild])
    assert check.judged == "right" if report.verdict else abs(check.error_percent or 0) < 1


@pytest.mark.nightly
def test_all_rows_are_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    assert main(["validate", "--only", "reports", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (summary,) = (of_all for line in lines if (of_all := line.get("report_summary", {})).get("family") == "all rows")
    assert (summary["rows"], summary["verdicts"]) == (54, 26)
    assert summary["median_percent"] < 1
    assert summary["verdicts_right"] + summary["verdicts_undecided"] >= 20
