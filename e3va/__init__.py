"""E3VA: parameter, memory and time efficient adapters for Swin (Yin et al., MM '24)."""

from e3va.design import Design
from e3va.model import E3VA, FORMS, Form

__all__ = ["E3VA", "FORMS", "Design", "Form"]
