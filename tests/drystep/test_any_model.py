"""Models that are not this suite's: on meta they leave the same allocations as for real on the CPU."""

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from drystep import Oracles, simulate
from drystep.fit.probe import probe
from drystep.memory.sizes import round_size
from drystep.simulator import trace_steps
from drystep.trace.trace import Trace
from drystep.values.known import DEFAULT_LIMIT_BYTES

META, CPU = torch.device("meta"), torch.device("cpu")
ALL = 10**9


def _train(model: Callable[[], nn.Module], inputs: Callable, loss: Callable, device: torch.device):
    """Build on the CPU and move, as most programs do."""
    torch.manual_seed(0)
    built = model().to(device)
    trained = [parameter for parameter in built.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, 0.1, momentum=0.9) if loss is _vision_sgd else torch.optim.AdamW(trained)
    arguments = inputs(device)

    def step() -> None:
        optimizer.zero_grad()
        loss(built(**arguments) if isinstance(arguments, dict) else built(arguments)).backward()
        optimizer.step()

    return step


def _vision(output: Tensor) -> Tensor:
    return output.square().mean()


def _vision_sgd(output: Tensor) -> Tensor:
    return _vision(output)


def _image(device: torch.device, side: int = 64) -> Tensor:
    return torch.zeros(2, 3, side, side, device=device)


def _tokens(device: torch.device) -> dict[str, Tensor]:
    tokens = torch.zeros(2, 16, dtype=torch.int64, device=device)
    return {"input_ids": tokens, "labels": tokens}


def _sentence(device: torch.device) -> dict[str, Tensor]:
    return _tokens(device) | {"labels": torch.zeros(2, dtype=torch.int64, device=device)}


def _bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return BertForSequenceClassification(BertConfig(vocab_size=100, attn_implementation="eager", **sizes))


def _gpt2() -> nn.Module:
    """Its head is tied to its embedding."""
    from transformers import GPT2Config, GPT2LMHeadModel

    special = {"bos_token_id": 0, "eos_token_id": 0, "attn_implementation": "eager", "loss_type": "ForCausalLM"}
    return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=100, n_positions=32, **special))


def _lora() -> nn.Module:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(_gpt2(), LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True))


def _deeplab() -> nn.Module:
    return torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    """With attention in parts, because its fused kernels are CUDA's alone."""

    def build() -> nn.Module:
        model = timm.create_model(name, pretrained=False, **options)
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
        return model

    return build


MODELS = {
    "resnet50": (torchvision.models.resnet50, _image, _vision_sgd),
    "convnext": (_timm("convnext_atto", drop_path_rate=0.1), _image, _vision),
    "vit": (_timm("vit_tiny_patch16_224", img_size=64, depth=2), _image, _vision),
    "swinv2": (_timm("swinv2_tiny_window8_256", img_size=64, depths=(1, 1, 1, 1)), _image, _vision),
    "bert": (_bert, _sentence, lambda output: output.loss),
    "gpt2": (_gpt2, _tokens, lambda output: output.loss),
    "lora": (_lora, _tokens, lambda output: output.loss),
    "deeplab": (_deeplab, _image, lambda output: output["out"].mean()),
}  # fmt: skip


def _steps(trace: Trace) -> Counter[tuple[str, str, int]]:
    """What the steps allocate, by phase and operator."""
    operators = [trace.operators[allocation.operator] for allocation in trace.allocations]
    return Counter(
        (operator.phase, operator.name, allocation.requested_bytes)
        for operator, allocation in zip(operators, trace.allocations, strict=True)
        if operator.phase != "build"
    )


def _peak_bytes(trace: Trace) -> int:
    """Highest sum of blocks in the last step, without the slack of large ones, which depends on their order."""
    alive_bytes = peak_bytes = 0
    for position, (index, born, _) in enumerate(trace.events):
        size_bytes = round_size(trace.allocations[index].requested_bytes)
        alive_bytes += size_bytes if born else -size_bytes
        if position >= trace.iteration_starts[-1]:
            peak_bytes = max(peak_bytes, alive_bytes)
    return peak_bytes


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_meta_and_cpu_agree(name: str) -> None:
    model, inputs, loss = MODELS[name]
    meta, cpu = (
        trace_steps(lambda device: _train(model, inputs, loss, device), device, "torch-2.11", "fp32")
        for device in (META, CPU)
    )
    assert _steps(meta) == _steps(cpu)
    # Counters of batches start as Python numbers, which a CPU never copies anywhere.
    counters = sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model().modules())
    assert _peak_bytes(meta) == _peak_bytes(cpu) + counters * 512


def _detector(device: torch.device, name: str, side: int = 32):
    torch.manual_seed(0)
    make = getattr(torchvision.models.detection, name)
    model = make(weights=None, weights_backbone=None, num_classes=3, min_size=side, max_size=side).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6, momentum=0.9)
    images = [torch.rand(3, side, side).to(device) for _ in range(2)]
    boxes = torch.tensor([[4.0, 4.0, 20.0, 20.0], [5.0, 10.0, 30.0, 30.0]])
    target = {"boxes": boxes, "labels": torch.tensor([1, 2]), "masks": torch.ones(2, side, side, dtype=torch.uint8)}
    targets = [{key: value.to(device) for key, value in target.items()} for _ in images]

    def step() -> None:
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()
        optimizer.step()

    return step


def _large(steps: Counter[tuple[str, str, int]]) -> Counter[tuple[str, str, int]]:
    """Without what only a CPU does: `nms` keeps room for all boxes, and Python numbers are not copied to the device."""
    return Counter({site: count for site, count in steps.items() if site[2] > 512 and site[1] != "nms.default"})


@pytest.mark.parametrize("known_limit_bytes", [DEFAULT_LIMIT_BYTES, 0])
@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn"])
def test_detectors_agree_when_values_are_those_of_the_real_run(name: str, known_limit_bytes: int) -> None:
    build = functools.partial(_detector, name=name)
    real = probe(build, iterations=2)
    simulation = simulate(build, iterations=2, oracles=real.reads, known_limit_bytes=known_limit_bytes)
    assert all(read.kind != "assumed" for read in simulation.assumptions)
    assert _large(_steps(simulation.trace)) == _large(_steps(real.trace))


def test_mask_rcnn_trains_on_stated_counts() -> None:
    """512 RoIs per image, a quarter of them with masks, in the worst case of the proposals."""
    by_name = {"nms": ALL, "filter_proposals": ALL, "select_training_samples": 512, "RoIHeads.forward": 128}
    build = functools.partial(_detector, name="maskrcnn_resnet50_fpn", side=256)
    simulation = simulate(build, oracles=Oracles(rows=512, item=0, by_name=by_name))
    assert simulation.warnings == ()
    sizes = {allocation.requested_bytes for allocation in simulation.trace.allocations}
    assert 2 * 512 * 256 * 7 * 7 * 4 in sizes  # RoI features of the box head
    assert 2 * 128 * 256 * 14 * 14 * 4 in sizes  # and of the mask head
    assert 2 * 128 * 3 * 28 * 28 * 4 in sizes  # masks of three classes
