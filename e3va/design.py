"""What the paper varies or leaves open about E3VA, as options; their defaults are what its figures speak for."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Design:
    """Structure of the highway beside its rank. Each default has its reason; the others are there to be compared."""

    inner_residual: bool = True
    """Whether an adapter adds its input to what it computes. Equation 6 would lose the branch output without it."""
    start: Literal["patches", "zeros"] = "patches"
    """e_0, which the paper does not define: the embedded patches l_0, or zeros. With the inner residual and an adapter
    that starts as the identity, e = l in every stage at first."""
    output: Literal["sum", "highway"] = "sum"
    """What the output norms read: l + e ("the highway alongside the backbone", section 3.2), or e alone."""
    tap: Literal["before_drop_path", "after_drop_path"] = "before_drop_path"
    """Where the adapters read a branch. The paper does not say; before it, no training step passes an adapter by."""
    init: Literal["zero", "kaiming"] = "zero"
    """The last factor of an adapter: zero, so that it starts as the identity, or drawn like the others, as in the
    authors' LoRand."""
    adapter: Literal["low_rank", "standard"] = "low_rank"
    """The dual low-rank adapter, or a standard one with 32 hidden channels (Table 5)."""
    layout: Literal["parallel", "stacked"] = "parallel"
    """Whether the two adapters of a block are independent, or the second reads what the first put out (Table 5)."""
    trains_merging: bool = False
    """Whether the highway has patch mergings of its own that train, or passes the backbone's frozen ones (Table 6)."""
    trains_norms: bool = True
    """Whether the output norms train (the "pre-FPN norms" of Table 6)."""

    @property
    def can_be_fused(self) -> bool:
        """Whether the adapters of a stage share one gradient and have the factors that the fused function knows."""
        return self.adapter == "low_rank" and self.layout == "parallel"
