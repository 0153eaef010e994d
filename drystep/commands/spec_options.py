"""Options of commands about the training step of a spec: which model, how it is trained, by which rules."""

import functools
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

from drystep.bounds import shown
from drystep.commands.step_options import (
    DEFAULT_TIME_LIMIT_S,
    AllocConf,
    CudnnBenchmark,
    Ddp,
    OracleTexts,
    Profile,
    Strict,
    TimeLimit,
    TorchVersion,
    parse_oracles,
)
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, PRECISIONS, combined
from drystep.errors import choose
from drystep.fit.asked import AskedStep
from drystep.fit.sizes import MOST_IMAGE_SIDE
from drystep.zoo.optimizers import OPTIMIZERS
from drystep.zoo.settings import FUSED_ATTENTION, MODES, StepSettings
from drystep.zoo.spec import parse_spec

SIZE = re.compile(r"([0-9]{1,9})(?:x([0-9]{1,9}))?")
SPEC_HELP = (
    "timm:NAME, torchvision:NAME, transformers:CLASS, or FILE.py:NAME, a function that takes a device and returns one "
    "training step."
)
Command = Callable[..., int]


def _model(flag: str, help_text: str, **more: Any) -> Any:
    return typer.Option(flag, help=help_text, show_default=False, **more)


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """What the command line says of a step. The annotations are its options."""

    batch_size: Annotated[
        int | None, typer.Option(help="Images, texts or whatever the step counts. Default: the step's own.")
    ] = None
    image_size: Annotated[
        str | None,
        typer.Option(metavar="N or HxW", help="Image size, such as 512 or 800x1333. Default: the step's own."),
    ] = None
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(PRECISIONS)}.")] = DEFAULT_PRECISION
    method: Annotated[
        str,
        _model(
            "--method",
            "What trains: full, head, bitfit, norm, last-N, lora, dora, ia3, boft, vera, adalora (these need the "
            "package peft), or a method of another package, such as e3va. Default: full.",
        ),
    ] = "full"
    rank: Annotated[int | None, _model("--rank", "Rank of the method's adapters.")] = None
    targets: Annotated[
        str | None, _model("--targets", "Modules that the adapters wrap, such as qkv,proj. Default: by architecture.")
    ] = None
    method_options: Annotated[
        list[str], _model("--method-option", "A further option of the method. Repeatable.", metavar="NAME=VALUE")
    ] = ()  # type: ignore[assignment]
    optimizer: Annotated[str, _model("--optimizer", f"One of {', '.join(OPTIMIZERS)}. Default: adamw.")] = "adamw"
    mode: Annotated[
        str, _model("--mode", f"One of {', '.join(MODES)}: a training step, or a forward pass. Default: train.")
    ] = "train"
    ema: Annotated[bool, _model("--ema", "Keep an exponential moving average of the weights.")] = False
    accumulate: Annotated[
        int, _model("--accumulate", "Batches whose gradients are summed for one step of the optimizer. Default: 1.")
    ] = 1
    checkpointing: Annotated[
        bool, _model("--checkpointing", "Run blocks again in backward instead of keeping their activations.")
    ] = False
    channels_last: Annotated[bool, _model("--channels-last", "Take the memory format channels_last.")] = False
    fused_attention: Annotated[
        str,
        _model("--fused-attention", f"One of {', '.join(FUSED_ATTENTION)}. Default: auto, PyTorch's fused kernels."),
    ] = "auto"
    classes: Annotated[int | None, _model("--classes", "Classes of the head. Default: the model's own.")] = None
    objects: Annotated[int | None, _model("--objects", "Objects in each image, for detectors.")] = None
    tokens: Annotated[int | None, _model("--tokens", "Tokens of each text, for models of language.")] = None
    frames: Annotated[int | None, _model("--frames", "Frames of each clip, for models of video.")] = None
    config: Annotated[
        str | None, _model("--config", "Configuration of a transformers model: a JSON file or a folder with one.")
    ] = None
    config_values: Annotated[
        list[str],
        _model("--set", "A value of the configuration, such as num_hidden_layers=4. Repeatable.", metavar="KEY=VALUE"),
    ] = ()  # type: ignore[assignment]
    profile: Profile = DEFAULT_PROFILE
    torch_version: TorchVersion = None
    ddp: Ddp = None
    cudnn_benchmark: CudnnBenchmark = None
    alloc_conf: AllocConf = None
    oracles: OracleTexts = ()  # type: ignore[assignment]
    strict: Strict = False
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT_S

    def of(self, spec: str) -> AskedStep:
        """The step of a spec with these options. Raises `ValueError` for what they cannot mean."""
        parsed = parse_spec(spec)
        choose("precision", self.precision, PRECISIONS)
        settings = {part.name: getattr(self, part.name) for part in fields(StepSettings) if hasattr(self, part.name)}
        settings |= {
            "method_options": self._method_options(),
            "config_values": dict(_pair("--set", text) for text in self.config_values),
            "precision": DEFAULT_PRECISION if parsed.file else self.precision,
        }
        rules = combined(self.profile, self.torch_version, self.ddp, self.cudnn_benchmark, self.alloc_conf)
        asked = AskedStep(
            spec=spec,
            settings=StepSettings(**settings),
            precision=self.precision if parsed.file else DEFAULT_PRECISION,
            batch_size=self.batch_size,
            image_size=None if self.image_size is None else parse_size(self.image_size),
            rules=rules,
            oracles=parse_oracles(self.oracles),
            strict=self.strict,
        )
        if parsed.file:
            asked.settings.refuse(asked.settings.changed(), f"a step of a file: {parsed.file} says how it is trained")
        return asked

    def _method_options(self) -> dict[str, Any]:
        stated: dict[str, Any] = {} if self.rank is None else {"rank": self.rank}
        if self.targets is not None:
            stated["targets"] = [part.strip() for part in self.targets.split(",") if part.strip()]
        return {**stated, **dict(_pair("--method-option", text) for text in self.method_options)}


def takes_step(command: Command) -> Command:
    """Give a command the options of a step; it gets them as `options`, a `StepOptions`."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [each for each in parameters if each.name != "options"]
    first = [each for each in own if each.default is inspect.Parameter.empty]
    others = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own if each not in first]
    hints = get_type_hints(StepOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            part.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=list(part.default) if isinstance(part.default, tuple) else part.default,
            annotation=hints[part.name],
        )
        for part in fields(StepOptions)
        if part.default is not MISSING
    ]

    @functools.wraps(command)
    def with_step(**values: Any) -> int:
        stated = {part.name: values.pop(part.name) for part in fields(StepOptions)}
        return command(options=StepOptions(**stated), **values)

    signature = inspect.Signature([*first, *shared[:3], *others, *shared[3:]], return_annotation=int)
    with_step.__signature__ = signature  # type: ignore[attr-defined]  # typer reads it
    with_step.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()} | {"return": int}
    return with_step


def parse_size(text: str) -> tuple[int, int]:
    """Turn "800x1333" into height and width, and "512" into a square. Raises `ValueError` for anything else."""
    match = SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"image size {shown(text)} is neither N nor HxW, such as 512 or 800x1333")
    height = int(match[1])
    width = height if match[2] is None else int(match[2])
    if not (1 <= height <= MOST_IMAGE_SIDE and 1 <= width <= MOST_IMAGE_SIDE):
        raise ValueError(f"image size must be 1 to {MOST_IMAGE_SIDE} pixels a side, not {text}")
    return height, width


def _pair(option: str, text: str) -> tuple[str, Any]:
    """A name and a value, which is JSON or else a word."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{option} {shown(text)} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value
