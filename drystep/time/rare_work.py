"""Rules for the work of operators that few models use: sorts, scatters, resizing, decompositions, transforms and more.

The rules of each family are in a file of `drystep/time/rare`. Rules of torchvision's operators are registered in
`drystep/cuda/torchvision_operators.py`.
"""

from typing import Any

from drystep.operators import WorkRule
from drystep.time.rare import linear_algebra, losses, ordering, others, products, resampling, scattering

RULES: dict[WorkRule, frozenset[Any]] = (
    products.RULES
    | linear_algebra.RULES
    | ordering.RULES
    | scattering.RULES
    | resampling.RULES
    | losses.RULES
    | others.RULES
)
"""Rule -> the operators that it counts, as in `drystep/time/work.py`."""
