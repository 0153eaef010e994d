"""`python -m bench prove` on a fake card, where nothing is installed but PyTorch, timm and numpy: run as a script.

Arguments: the folder, and "hang" for an item that never ends after the first.
"""

import sys

from tests.bench.proof.missing_packages import MISSING

sys.modules.update(dict.fromkeys(MISSING))  # an import of any of them raises ModuleNotFoundError

import time  # noqa: E402
from typing import Any  # noqa: E402

from bench.commands.prove import main  # noqa: E402
from bench.proof import perform, run  # noqa: E402
from bench.proof.plan import Item  # noqa: E402
from bench.proof.sessions.gpu_tests import TestsSession  # noqa: E402
from drystep.commands.program.interruption import leave  # noqa: E402
from tests.bench.proof import fake_card  # noqa: E402


class Patch:
    """Sets an attribute for as long as the process lives."""

    def setattr(self, target: Any, name: Any, value: Any = None) -> None:
        if isinstance(target, str):
            module, _, attribute = target.rpartition(".")
            setattr(sys.modules[module], attribute, name)
        else:
            setattr(target, name, value)


def _hang(*arguments: object) -> str:
    print("hanging", flush=True)
    time.sleep(600)
    return ""


if __name__ == "__main__":
    import drystep.time.calibrate  # noqa: F401  # `Patch` finds it

    folder, hangs = sys.argv[1], "hang" in sys.argv
    fake_card.install(Patch())
    perform.TESTS_SESSION = f"{TestsSession.__module__}:{TestsSession.__name__}"
    full = fake_card.tiny("full")
    items = [Item("case", full), Item("calibration"), Item("snapshot", full), Item("tests"), Item("limits", full)]
    if hangs:
        really = run.perform
        run.perform = lambda item, *others: really(item, *others) if item == items[0] else _hang()
    run.plan = lambda: items
    leave(main(["--minutes", "9", "--out", folder]))
