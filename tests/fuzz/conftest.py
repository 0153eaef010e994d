"""The budget of the fuzz tests. Inputs that failed are kept, and tried first the next time."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

BUDGET = 150
"""Inputs that each test generates."""
SLOW_BUDGET = 30
"""Inputs of a test that draws pictures."""

settings.register_profile(
    "fuzz",
    max_examples=BUDGET,
    deadline=None,
    database=DirectoryBasedExampleDatabase(Path(__file__).with_name("found")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fuzz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is here is for `nox -s fuzz`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.fuzz)
