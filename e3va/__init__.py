"""E3VA: parameter, memory and time efficient adapters for Swin (Yin et al., MM '24)."""

from e3va.highway import E3VA

__all__ = ["E3VA"]
