"""The Python code of a step: a model, a method, an optimizer and a loop put together."""

from collections.abc import Iterable, Sequence

from drystep.zoo.methods.choice import method_code
from drystep.zoo.model_code import ModelCode
from drystep.zoo.optimizers import optimizer_code
from drystep.zoo.settings import StepSettings
from drystep.zoo.wrapping import wrapped

AUTOCAST = {"fp32": None, "amp-fp16": "torch.float16", "amp-bf16": "torch.bfloat16"}
EMA_IMPORT = "from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn"
TRAINED = "trained = [parameter for parameter in model.parameters() if parameter.requires_grad]"


def step_program(title: str, model: ModelCode, settings: StepSettings) -> str:
    """The code of a step as a Python file with `build_step(device, batch_size, image_size)`.

    Raises `ValueError` for settings that do not suit the model.
    """
    _refuse_unsuited(title, model, settings)
    lines = _inference(model, settings) if settings.mode == "inference" else _training(model, settings)
    imports, body = lines
    arguments = f"device, batch_size={model.batch_size}"
    if model.image_size is not None:
        arguments += f", image_size={model.image_size}"
    purpose = (
        "Build the model on a device, and return a forward pass without gradients."
        if settings.mode == "inference"
        else "Build the model on a device, and return one training step."
    )
    text = [
        f'"""{title}"""', "",
        *_sorted_imports(imports), "", "",
        f"def build_step({arguments}):",
        *_indented([f'"""{purpose}"""', *body]),
    ]  # fmt: skip
    return "\n".join(part for line in text for part in wrapped(line)) + "\n"


def _training(model: ModelCode, settings: StepSettings) -> tuple[list[str], list[str]]:
    method = method_code(settings.method, model, settings.method_options)
    frozen = settings.method != "full"
    optimizer, optimizer_import = optimizer_code(settings.optimizer, "trained" if frozen else "model.parameters()")
    scaled = settings.precision == "amp-fp16"
    imports = [*model.imports, *method.imports, optimizer_import, "import torch"]
    imports += _as_lines(settings.checkpointing, model.checkpointing_imports)
    build = [*_build(model, settings), *_as_lines(settings.checkpointing, model.checkpointing), *method.lines]
    build.append("model.train()")
    if settings.ema:
        imports.append(EMA_IMPORT)
        build.append("ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9998))")
    build += [*([TRAINED] if frozen else []), f"optimizer = {optimizer}"]
    build += ['scaler = torch.amp.GradScaler("cuda")'] if scaled else []
    loss = "loss" if settings.accumulate == 1 else f"loss / {settings.accumulate}"
    scaled_loss = f"scaler.scale({loss})" if scaled else "loss" if settings.accumulate == 1 else f"({loss})"
    once = [*_within(model, model.loss, settings.precision), f"{scaled_loss}.backward()"]
    if settings.accumulate > 1:
        once = [f"for _ in range({settings.accumulate}):", *_indented(once)]
    update = ["scaler.step(optimizer)", "scaler.update()"] if scaled else ["optimizer.step()"]
    update += [*method.after_step, *(["ema.update_parameters(model)"] if settings.ema else [])]
    step = ["optimizer.zero_grad()", *once, *update]
    data = [*_data(model, settings), *model.targets]
    return imports, [*build, *data, "", "def step():", *_indented(step), "", "return step"]


def _inference(model: ModelCode, settings: StepSettings) -> tuple[list[str], list[str]]:
    imports = [line for line in (*model.imports, "import torch") if "functional as F" not in line]
    forward = ["with torch.inference_mode():", *_indented(_within(model, (model.forward,), settings.precision))]
    body = [*_build(model, settings), "model.eval()", *_data(model, settings)]
    return imports, [*body, "", "def step():", *_indented(forward), "", "return step"]


def _build(model: ModelCode, settings: StepSettings) -> list[str]:
    lines = ["with torch.device(device):", *_indented(model.model)]
    if settings.channels_last:
        lines.append("model.to(memory_format=torch.channels_last)")
    return lines


def _data(model: ModelCode, settings: StepSettings) -> list[str]:
    names = model.channels_last_inputs if settings.channels_last else ()
    return [*model.data, *(f"{name} = {name}.contiguous(memory_format=torch.channels_last)" for name in names)]


def _within(model: ModelCode, lines: Sequence[str], precision: str) -> list[str]:
    """Lines that run the model, in the context managers of the precision and of the model."""
    dtype = AUTOCAST[precision]
    autocast = "" if dtype is None else f'torch.autocast("cuda", {dtype})'
    contexts = [context for context in (autocast, model.context) if context]
    return [f"with {', '.join(contexts)}:", *_indented(lines)] if contexts else [*lines]


def _as_lines(wanted: bool, lines: tuple[str, ...]) -> tuple[str, ...]:
    return lines if wanted else ()


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _sorted_imports(imports: Iterable[str]) -> list[str]:
    """Import statements without repetitions: the standard library's first, then the others, as formatters have them."""
    found = sorted({line for line in imports if line}, key=lambda line: (line.startswith("from"), line))
    standard = [line for line in found if line.split()[1].partition(".")[0] in ("itertools", "json", "math")]
    others = [line for line in found if line not in standard]
    return [*standard, *([""] if standard and others else []), *others]


def _refuse_unsuited(title: str, model: ModelCode, settings: StepSettings) -> None:
    name = title.partition(",")[0]
    if settings.checkpointing and not model.checkpointing:
        raise ValueError(f"--checkpointing does not apply to {name}: its library offers none for it")
    if settings.channels_last and not model.channels_last_inputs:
        raise ValueError(f"--channels-last does not apply to {name}: its input is not a batch of images")
