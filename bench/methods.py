"""All methods, in the order of the paper's tables. A new method is one file and one line here."""

from functools import partial

from baselines.adapter import ADAPTER
from baselines.adaptformer import ADAPTFORMER
from baselines.bitfit import BITFIT
from baselines.fixed import FIXED
from baselines.full import FULL
from baselines.lora import LORA
from baselines.lorand import LORAND
from baselines.lst import LST
from baselines.method import Method
from baselines.norm_tuning import NORM_TUNING
from baselines.partial1 import PARTIAL1
from e3va import E3VA


def _e3va(name: str, label: str, rank: int) -> Method:
    return Method(
        name,
        label,
        partial(E3VA, rank=rank),
        adds_structure=True,
        trains=("highway.*", "backbone.norms.*"),
    )


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        FULL,
        FIXED,
        BITFIT,
        NORM_TUNING,
        PARTIAL1,
        ADAPTER,
        LORA,
        ADAPTFORMER,
        LORAND,
        _e3va("e3va", "E3VA", rank=8),
        _e3va("e3va+", "E3VA+", rank=16),
        _e3va("e3va++", "E3VA++", rank=32),
        LST,
    )
}
