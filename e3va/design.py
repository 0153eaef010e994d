"""Options for what the paper varies or leaves open about E3VA. Its figures support the defaults."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Design:
    """Structure of the highway, apart from its rank. Each default has a reason; alternatives are for comparison."""

    inner_residual: bool = True
    """Whether an adapter adds its input to its result. Without this, equation 6 would lose the branch output."""
    start: Literal["patches", "zeros"] = "patches"
    """e_0, which the paper does not define: the embedded patches l_0, or zeros. With l_0, the inner residual, and
    adapters that start as the identity, e = l in every stage at first."""
    output: Literal["sum", "highway"] = "sum"
    """What the output norms read: l + e ("the highway alongside the backbone", section 3.2), or only e."""
    tap: Literal["before_drop_path", "after_drop_path"] = "before_drop_path"
    """Where the adapters read a branch. The paper does not say. Before DropPath, every step uses every adapter."""
    init: Literal["zero", "kaiming"] = "zero"
    """Initialisation of the last factor of an adapter: zero, so that the adapter starts as the identity, or like the
    other factors, as in the authors' LoRand."""
    adapter: Literal["low_rank", "standard"] = "low_rank"
    """The dual low-rank adapter, or a standard one with 32 hidden channels (Table 5)."""
    layout: Literal["parallel", "stacked"] = "parallel"
    """Whether the two adapters of a block are independent, or the second reads the output of the first (Table 5)."""
    trains_merging: bool = False
    """Whether the highway has trainable patch mergings of its own, or uses the backbone's frozen ones (Table 6)."""
    trains_norms: bool = True
    """Whether the output norms train (the "pre-FPN norms" of Table 6)."""

    @property
    def can_be_fused(self) -> bool:
        """Whether the adapters of a stage share one gradient and have the factors that the fused function expects."""
        return self.adapter == "low_rank" and self.layout == "parallel"
