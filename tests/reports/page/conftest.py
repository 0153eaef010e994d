from collections.abc import Callable

import pytest

from tests.reports.conftest import Record

METHODS = ("full", "fixed", "norm_tuning", "e3va")


@pytest.fixture
def records(record: Callable[..., Record]) -> list[Record]:
    """Five simulated settings, and a measured one, of four methods: the figures that the tests calculate with."""
    mib = dict(zip(METHODS, (10_200, 2000, 7000, 4000), strict=True))
    step_ms = dict(zip(METHODS, (200.0, 80.0, 150.0, 110.0), strict=True))
    lines = []
    for method in METHODS:
        lines.append(record("voc", "swin_large", method, mib[method]))
        lines.append(record("ade20k", "swin_large", method, mib[method] - 500))
        lines.append(record("coco", "swin_base", method, mib[method] + 500))
        for batch_size in (1, 2):
            lines.append(record("coco", "swin_large", method, mib[method] * 2 * batch_size, batch_size=batch_size))
        lines.append(record("voc", "swin_tiny", method, step_ms=step_ms[method], image_size=[128, 192]))
    return lines
