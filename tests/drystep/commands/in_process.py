"""A question about a step answered in this process, which saves the seconds that a child takes to start."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drystep.commands.ask import StepFailed
from drystep.fit.asked import AskedStep
from drystep.fit.session import FitSession
from drystep.gpus.classes import Gpu


def ask(question: str, step: AskedStep, gpus: Sequence[Gpu], time_limit_s: float, **arguments: Any) -> dict[str, Any]:
    """As `drystep.commands.ask.ask`: what passes between the processes passes as JSON here, too."""
    opening = json.loads(json.dumps({"asked": step.to_fields(), "gpus": [asdict(card) for card in gpus]}))
    session = FitSession(note_phase=lambda phase: None, **opening)
    answer = json.loads(json.dumps(getattr(session, question)(**arguments)))
    if "wrong" in answer:
        raise ValueError(answer["wrong"])
    if "failed" in answer:
        raise StepFailed(answer["failed"])
    return answer
