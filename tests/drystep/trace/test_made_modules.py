"""Modules are noted when they are made, whichever way, and not kept alive."""

import copy
import gc

from torch import nn

from drystep.trace.made_modules import MadeModules


def test_made_and_copied_modules() -> None:
    before = nn.Linear(2, 2)
    made = MadeModules()
    with made.watching():
        layer, copied = nn.Linear(2, 2), copy.deepcopy(before)
        nn.Linear(2, 2)
        gc.collect()
        assert made.take() == [layer, copied]
        assert made.take() == []
    nn.Linear(2, 2)
    assert made.take() == []
