"""What the paper leaves open about E3VA, as options; their defaults are what its figures speak for."""

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
    trains_norms: bool = True
    """Whether the output norms train (the "pre-FPN norms" of Table 6)."""
