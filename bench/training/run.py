"""A training run: what it is, where it lies, and the model that belongs to it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bench.cases.case import Case
from bench.cases.model import build_model
from bench.results.provenance import describe_commit, installed_versions
from bench.training.names import FROZEN_FILE, PRETRAINED, RUN_FILE
from bench.training.recipe import Recipe
from drystep.bounds import shown
from drystep.errors import OutputError
from drystep.files.whole import write_whole
from e3va.backbones.trained_state import trainable_state_dict

OF_MODEL = (
    "task", "method", "backbone", "window", "precision", "fused_attention", "checkpointing", "bf16_trunk", "seed",
)  # fmt: skip
"""Fields of `Case` that a training has."""


@dataclass(frozen=True)
class Run:
    """A training run: equal runs train the same."""

    case: Case
    """Model, method and precision; how the step is simulated."""
    recipe: Recipe
    """How it is trained."""
    pretrained: str
    """"timm", a file of weights, or "" for random weights."""
    made_up: bool
    """Whether the data set is a made-up one."""
    images: int
    """Images of the training data."""
    ranks: int
    """Processes that train together."""

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        case = self.case
        parts = [case.task, case.method, case.backbone, f"seed{case.seed}"]
        return "-".join(parts)

    @property
    def steps(self) -> int:
        """Steps of the optimizer."""
        return self.recipe.steps_for(self.images)

    def fields(self) -> dict[str, Any]:
        """What the run's file says of it."""
        case = {name: getattr(self.case, name) for name in OF_MODEL}
        return json.loads(json.dumps({**asdict(self), "case": case}))

    def build(self, host: torch.device) -> nn.Module:
        """Build the model on `host`, with the run's seed. Raises `ValueError` for weights that do not fit."""
        torch.manual_seed(self.case.seed)
        weights: bool | Path = self.pretrained == PRETRAINED or (bool(self.pretrained) and Path(self.pretrained))
        if host.type == "meta":
            weights = False
        model, _ = build_model(self.case, host, drop_path=self.recipe.drop_path, pretrained=weights, **self.recipe.head)
        return model


def run_of(fields: Mapping[str, Any]) -> Run:
    """The run that `Run.fields` describes. Raises `ValueError` for anything else."""
    try:
        recipe = msgspec.convert(fields["recipe"], Recipe)
        named = {name: fields[name] for name in ("pretrained", "made_up", "images", "ranks")}
        return Run(Case(**fields["case"], engine="simulate", batch_size=recipe.images_per_gpu), recipe, **named)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise ValueError(f"this is no run of a training: {error}") from error


def read_run(folder: Path) -> Run:
    """The run of a folder. Raises `ValueError` where there is none."""
    try:
        return run_of(json.loads((folder / RUN_FILE).read_bytes())["run"])
    except FileNotFoundError:
        raise ValueError(f"{folder} is no run: it has no {RUN_FILE}, which `bench train` writes") from None
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / RUN_FILE} cannot be read: {error}") from error


def require_same_run(folder: Path, run: Run) -> None:
    """Raise `ValueError`, which says what differs, if the folder has another run."""
    differences = list(_differences(read_run(folder).fields(), run.fields()))
    if differences:
        raise ValueError(
            f"{folder} has another run, in which {'; '.join(differences)}: "
            "name another --out, or train anew with --rerun"
        )


def begin_run(folder: Path, run: Run, data: Path) -> None:
    """Write the run's file, unless it is there.

    Raises `ValueError` if the folder has another run, with what differs, and `OutputError` if it cannot be written.
    """
    if (folder / RUN_FILE).exists():
        require_same_run(folder, run)
        return
    content = {"run": run.fields(), "data": str(data), "environment": {**installed_versions(), **describe_commit()}}
    write_json(folder / RUN_FILE, content)


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON, whole or not at all. Raises `OutputError`."""
    try:
        write_whole(path, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write to {path.parent}: {error.strerror or error}") from error


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    for name, value in now.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            yield from _differences(old, value, f"{inside}{name} ")
        elif old != value:
            yield f"{inside}{name.replace('_', ' ')} is {shown(old)}, not {shown(value)}"


def frozen_state(model: nn.Module) -> dict[str, Tensor]:
    """What training leaves alone, by name."""
    trained = trainable_state_dict(model).keys()
    return {name: tensor for name, tensor in model.state_dict().items() if name not in trained}


def keep_frozen(folder: Path, run: Run, model: nn.Module) -> None:
    """Keep what training leaves alone: random values in a file, published weights by their fingerprint."""
    frozen = frozen_state(model)
    kept = {} if run.pretrained else frozen
    content = save({name: tensor.contiguous() for name, tensor in kept.items()}, {"sum": fingerprint(frozen)})
    try:
        write_whole(folder / FROZEN_FILE, content)
    except OSError as error:
        raise OutputError(f"the frozen weights cannot be written to {folder}: {error.strerror or error}") from error


def load_frozen(folder: Path, run: Run, model: nn.Module) -> None:
    """Give a model the frozen values that the run began with. Raises `ValueError` where they are others or missing."""
    path = folder / FROZEN_FILE
    try:
        with safe_open(path, framework="pt") as file:
            expected = (file.metadata() or {}).get("sum")
        if not run.pretrained:
            model.load_state_dict(load_file(path), strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ValueError(f"the frozen weights in {path} cannot be read: {error}") from error
    if fingerprint(frozen_state(model)) != expected:
        source = f"the weights of {run.pretrained}" if run.pretrained else str(path)
        raise ValueError(f"{source} are not those that the run in {folder} was trained with")


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """A sum over names, types, shapes and values."""
    found = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
