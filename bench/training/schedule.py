"""How the learning rate changes over a training: linear warm-up, then steps down or a polynomial."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate at each step, as a factor of the recipe's rate.

    The rules are those of mmcv's `LrUpdaterHook`: during a linear warm-up the factor of the schedule itself is scaled
    from `warm_up_ratio` to 1.
    """

    kind: Literal["step", "poly"]
    """step: multiply by `factor` at each milestone; poly: (1 - progress)^power."""
    milestones: tuple[float, ...] = ()
    """Shares of the training, from 0 to 1, after which the rate is multiplied by `factor`."""
    factor: float = 0.1
    """Factor at each milestone (mmcv's `StepLrUpdaterHook` has 0.1)."""
    power: float = 1.0
    """Power of the polynomial."""
    warm_up_steps: int = 0
    """Steps of linear warm-up."""
    warm_up_ratio: float = 1.0
    """Factor at the first step of the warm-up."""

    def factor_at(self, step: int, steps: int) -> float:
        """Factor of the learning rate at a step, counted from 0, of a training of `steps` steps."""
        if self.kind == "poly":
            factor = (1 - step / steps) ** self.power
        else:
            factor = self.factor ** sum(step >= round(milestone * steps) for milestone in self.milestones)
        if step < self.warm_up_steps:
            factor *= 1 - (1 - step / self.warm_up_steps) * (1 - self.warm_up_ratio)
        return factor
