"""The class of transformers that a user names, whether it computes a loss, and its sibling that does."""

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from torch import nn

from drystep.errors import choose
from drystep.zoo.refusals import said

LOSS_INPUTS = ("labels", "start_positions", "mask_labels", "return_loss", "next_sentence_label")
"""Arguments of forward that make a model compute its loss."""
MODEL_NAME = re.compile(r"^(?!Auto|_).+(For[A-Z]|(?<!PreTrained)Model$|WithLMHead)")
"""Names of classes that may be models with a task. Which ones are can be told only by importing all of them."""
PREFERRED = (
    "ForImageClassification", "ForSequenceClassification", "ForVideoClassification", "ForAudioClassification",
    "ForSemanticSegmentation", "ForUniversalSegmentation", "ForInstanceSegmentation", "ForObjectDetection",
    "ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "ForCTC", "ForPreTraining", "For",
)  # fmt: skip
"""Tasks in the order in which a class with a loss is suggested."""


def model_class(name: str) -> type[Any]:
    """The class of a model by its name; only its own module is imported.

    Raises `ValueError` for a name that transformers lacks, a class that is no model of one configuration, and a class
    whose import fails.
    """
    import transformers

    names = dir(transformers)
    if name not in names:
        choose("class of transformers", name, [other for other in names if MODEL_NAME.search(other)])
    try:
        found = getattr(transformers, name)
    except (ImportError, RuntimeError) as error:  # transformers turns errors of its modules into these two
        raise ValueError(f"transformers cannot import {name}: {said(error)}") from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        hint = ": name the class of the model itself" if name.startswith("Auto") else ""
        raise ValueError(f"{name} of transformers is no model{hint}")
    if getattr(found, "config_class", None) is None or "forward" not in vars(found):
        raise ValueError(
            f"{name} of transformers is no model of its own: take a class with a task, such as BertForMaskedLM"
        )
    return found


def parameters_of(model: type[Any]) -> tuple[str, ...]:
    """Names of what a model's forward takes."""
    return tuple(inspect.signature(model.forward).parameters)[1:]


def has_loss(model: type[Any]) -> bool:
    """Whether a model computes a loss itself: from labels that it takes, or always, as masked autoencoders do.

    A class that takes labels and refuses them (`NotImplementedError`) has none.
    """
    if not any(parameter in LOSS_INPUTS for parameter in parameters_of(model)):
        masked = model.__name__.endswith(("ForPreTraining", "ForMaskedImageModeling"))
        return masked and any("loss" in _fields(output) for output in _outputs(model))
    return not _refuses_labels(model)


def require_loss(model: type[Any]) -> None:
    """Raise `ValueError` for a class without a loss, with the name of a class of the same model that has one."""
    if has_loss(model):
        return
    sibling = _sibling(model)
    advice = f"take {sibling}" if sibling else "write its step into a file, and name it as FILE.py:NAME"
    raise ValueError(f"{model.__name__} has no loss of its own: {advice}")


def _sibling(model: type[Any]) -> str:
    module = sys.modules[model.__module__]
    others = [
        name for name, other in vars(module).items()
        if isinstance(other, type) and issubclass(other, nn.Module) and other.__module__ == model.__module__
        and getattr(other, "config_class", None) is model.config_class
        and "forward" in vars(other) and name in getattr(module, "__all__", ()) and has_loss(other)
    ]  # fmt: skip
    return next((name for task in PREFERRED for name in sorted(others) if task in name), "")


def _outputs(model: type[Any]) -> Iterator[Any]:
    """Classes that a model's forward returns by its annotation."""
    annotation = inspect.signature(model.forward).return_annotation
    if isinstance(annotation, str):
        names = annotation.replace("|", " ").split()
        yield from (getattr(inspect.getmodule(model), name, None) for name in names)
    else:
        yield from (annotation, *get_args(annotation))


def _fields(output: Any) -> set[str]:
    return {part.name for part in dataclasses.fields(output)} if dataclasses.is_dataclass(output) else set()


def _refuses_labels(model: type[Any]) -> bool:
    """Whether forward raises `NotImplementedError` where labels are given."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(model.forward))))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "labels" in ast.unparse(node.test):
            raised = [ast.unparse(inner) for inner in node.body if isinstance(inner, ast.Raise)]
            if any("NotImplementedError" in text for text in raised):
                return True
    return False
