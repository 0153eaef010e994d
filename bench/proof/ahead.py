"""The next case's process, started while the card works on the one before: it imports PyTorch and fills weights."""

from bench.cases.case import Case
from bench.engines import cuda
from bench.engines.settings import Settings
from drystep.measure.cards import Card
from drystep.measure.parent import Child

Request = tuple[Case, int | None]
"""A case, and the limit of the allocator in bytes, if there is one."""


class Ahead:
    """Opens the processes of cases; has one more at hand where the machine has cores to spare."""

    def __init__(self, card: Card, has_spare_cores: bool, wait_s: float) -> None:
        """`wait_s` bounds the time that a process may wait to be used, for its time limit."""
        self._card = card
        self._has_spare_cores = has_spare_cores
        self._settings = Settings(time_limit_s=wait_s)
        self._next: Request | None = None
        self._waiting: tuple[Request, Child] | None = None

    def expect(self, request: Request | None) -> None:
        """Say what will be opened after the one that is opened next."""
        self._next = request

    def open_case(self, case: Case, card: Card, settings: Settings, limit_bytes: int | None) -> Child:
        """The process of a case, as `bench.engines.cuda.measure` asks for it."""
        child = self._taken((case, limit_bytes)) or cuda.open_case(case, card, settings, limit_bytes)
        child.time_limit_s = child.left_s = settings.time_limit_s
        self.start(self._next)
        self._next = None
        return child

    def start(self, request: Request | None) -> None:
        """Start a process for later, unless one is there or no core is spare."""
        if request is not None and self._has_spare_cores and self._waiting is None:
            case, limit_bytes = request
            self._waiting = request, cuda.open_case(case, self._card, self._settings, limit_bytes)

    def close(self) -> None:
        """End the process that waits."""
        if self._waiting is not None:
            self._waiting[1].close()
            self._waiting = None

    def _taken(self, request: Request) -> Child | None:
        if self._waiting is None or self._waiting[0] != request:
            self.close()
            return None
        (_, child), self._waiting = self._waiting, None
        return child
