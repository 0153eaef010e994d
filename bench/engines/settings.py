"""How cases are measured, whatever they are."""

from collections.abc import Callable
from dataclasses import dataclass

from drystep.bounds import require_time_limit, require_whole
from drystep.errors import choose

DEFAULT_STEPS = 5
MOST_STEPS = 100_000
"""Timed steps of one case: more add nothing to a median."""
DEFAULT_TIME_LIMIT_S = 1800.0
LAUNCHERS = ("local", "ray")
Say = Callable[[str], None]
"""Hears what a person who waits should know."""


@dataclass(frozen=True)
class Settings:
    """Settings of a whole run. Raises `ValueError` for what no run can do."""

    steps: int = DEFAULT_STEPS
    """Timed steps per case, where the engine times."""
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    """After so many seconds the process of a case is stopped (cpu and cuda)."""
    allow_busy: bool = False
    """Measure also on a GPU that others use."""
    launcher: str = "local"
    """local, or ray: who runs the cases."""
    ray_address: str = ""
    """Of the Ray cluster to join; "" starts a Ray on this machine."""

    def __post_init__(self) -> None:
        choose("launcher", self.launcher, LAUNCHERS)
        if self.ray_address and self.launcher != "ray":
            raise ValueError("--ray-address joins a Ray cluster: add --launcher ray")
        require_whole("steps", self.steps, 1, MOST_STEPS)
        require_time_limit(self.time_limit_s)
