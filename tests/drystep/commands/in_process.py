"""A question about a step answered in this process, which saves the seconds that a child takes to start."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from drystep.fit.session import FitSession


def in_this_process(
    question: str, opening: Mapping[str, Any], arguments: Mapping[str, Any], *_: object
) -> dict[str, Any]:
    """As `drystep.commands.ask.in_child`: what passes between the processes passes as JSON here, too."""
    return _as_json(getattr(_session(opening), question)(**arguments))


def in_thread(question: str, opening: Mapping[str, Any], arguments: Mapping[str, Any], *_: object) -> dict[str, Any]:
    """The same in a thread, whose stack has no function of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return _as_json(thread.submit(getattr(_session(opening), question), **arguments).result())


def _session(opening: Mapping[str, Any]) -> FitSession:
    return FitSession(note_phase=lambda phase: None, **_as_json(opening))


def _as_json(fields: Any) -> Any:
    return json.loads(json.dumps(fields))
