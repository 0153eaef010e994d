import pytest

from bench import Case
from bench.proof.plan import Item
from bench.proof.states import can_measure, rules_version, simulated_case
from drystep.cuda.rules import VERSIONS
from tests.bench.proof.fake_card import tiny


@pytest.mark.parametrize(
    ("installed", "rules"),
    [
        ("2.11.0+cu130", "2.11"),
        ("2.11", "2.11"),
        ("1.13.1", "1.13"),
        ("2.14.0a0+git1", "2.14"),
        ("3.0.1", VERSIONS[-1]),
    ],
)
def test_rules_of_the_installed_version(installed: str, rules: str) -> None:
    assert rules_version(installed) == rules


def test_what_is_older_than_all_rules_takes_the_first() -> None:
    assert rules_version("1.2.0") == VERSIONS[0]


def test_a_case_is_simulated_as_it_was_measured() -> None:
    measured = Case(task="coco", method="lora", precision="amp-bf16", batch_size=1, engine="cuda")
    simulated = simulated_case(measured, "2.14.1")
    assert (simulated.engine, simulated.torch) == ("simulate", "2.14")
    changed = {name for name, value in simulated.as_dict().items() if value != measured.as_dict()[name]}
    assert changed == {"engine", "torch"}


@pytest.mark.parametrize(
    ("capability", "precision", "able"),
    [
        ("7.5", "amp-bf16", False), ("7.5", "fp32", True), ("8.0", "amp-bf16", True), ("12.0", "amp-bf16", True),
        ("", "amp-bf16", True),
    ],
)  # fmt: skip
def test_bfloat16_needs_its_units(capability: str, precision: str, able: bool) -> None:
    assert can_measure(Item("case", tiny("full", precision)), capability) == able
