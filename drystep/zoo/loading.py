"""A spec and settings made into a function that builds a step."""

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from drystep.zoo.model_code import ModelCode
from drystep.zoo.program import step_program
from drystep.zoo.python_file import load_function
from drystep.zoo.settings import StepSettings
from drystep.zoo.spec import Spec

READERS = {
    "timm": "drystep.zoo.timm_models:timm_model",
    "torchvision": "drystep.zoo.torchvision_models.reader:torchvision_model",
    "transformers": "drystep.zoo.transformers_models.model:transformers_model",
}
"""Library -> the function that writes the code of its models; imported when it is needed."""
FILE_NAME = "step.py"
"""Name of the made code in messages: what a user would call the file that --show-step prints."""
Reader = Callable[[str, StepSettings, tuple[int, int] | None], ModelCode]


@dataclass(frozen=True)
class LoadedStep:
    """A step that a spec names."""

    build_step: Callable[..., Any]
    """`build_step(device)`, which may take `batch_size` and `image_size`, too."""
    source: str
    """Its code; that of the whole file for a step of a file."""
    remarks: tuple[str, ...] = ()
    """Sentences about choices that a user might not expect."""


def load_step(spec: Spec, settings: StepSettings, image_size: tuple[int, int] | None = None) -> LoadedStep:
    """The step of a spec, for images of a size where one is given.

    Raises `ValueError` for unknown names, settings that do not apply, and what a library refuses.
    """
    if spec.file is not None:
        settings.refuse(settings.changed(), f"a step of a file: write what they mean into {spec.file}")
        return LoadedStep(load_function(str(spec)), spec.file.read_text())
    model = _reader(spec.library)(spec.name, settings, image_size)
    source = step_program(title_of(spec, settings), model, settings)
    build_step = run_source(source)
    build_step.image_multiple = model.image_multiple  # type: ignore[attr-defined]
    return LoadedStep(build_step, source, model.remarks)


def _reader(library: str) -> Reader:
    """The function that writes the code of a library's models. Raises `ValueError` where it is not installed."""
    if find_spec(library) is None:
        raise ValueError(f"{library}:NAME needs the package {library}: pip install 'drystep[{library}]'")
    module, _, name = READERS[library].partition(":")
    return getattr(import_module(module), name)


def title_of(spec: Spec, settings: StepSettings) -> str:
    """A line that says what a step is."""
    parts = [str(spec)]
    if settings.mode == "inference":
        parts.append("inference")
    elif "method" in settings.changed():
        parts.append(f"method {settings.method}")
    parts += [settings.precision] if "precision" in settings.changed() else []
    return ", ".join(parts)


def run_source(source: str) -> Callable[..., Any]:
    """The function `build_step` that a made program defines; messages about its lines show their text."""
    linecache.cache[FILE_NAME] = (len(source), None, source.splitlines(keepends=True), FILE_NAME)
    names: dict[str, Any] = {"__name__": "step"}
    exec(compile(source, FILE_NAME, "exec"), names)
    return names["build_step"]
