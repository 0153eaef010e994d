import pytest
import torch

from bench import Case
from bench.cases.training_step import prepare
from drystep.simulator import trace_steps

CPU, META = torch.device("cpu"), torch.device("meta")
SMALL = {"backbone": "swin_tiny", "image_size": (32, 32)}


def _step(**fields: object):
    prepared = prepare(Case(**{"task": "voc", "method": "full", **SMALL, **fields}), CPU)
    return prepared.build_step(CPU)


def test_phases_end_in_order_and_gradients_stay() -> None:
    step, phases = _step(), []
    step(phases.append)
    assert phases == ["forward", "backward", "optimizer"]
    assert all(p.grad is not None for p in step.model.parameters())


def test_an_inference_runs_the_backbone_without_graph_or_drop_path() -> None:
    step, seen = _step(method="lora"), []
    step()
    before = {name: value.clone() for name, value in step.model.named_parameters()}

    def look(backbone: torch.nn.Module, inputs: object, maps: list[torch.Tensor]) -> None:
        seen.append((backbone.training, [feature.requires_grad for feature in maps], [m.sum().item() for m in maps]))

    step.model.backbone.register_forward_hook(look)
    step.infer()
    step.infer()
    assert seen[0] == seen[1]  # nothing is dropped
    assert seen[0][:2] == (False, [False] * 3)
    assert all(module.training for module in step.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in step.model.named_parameters())


def test_the_seed_decides_weights_and_batch() -> None:
    first, same, other = _step(), _step(), _step(seed=1)
    images = [next(step.batches)[0] for step in (first, same, other)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])
    for ours, theirs in zip(first.model.parameters(), same.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_norms_and_position_biases_do_not_decay() -> None:
    step = _step()
    decaying, spared = step.optimizer.param_groups
    assert (decaying["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    names = {id(parameter): name for name, parameter in step.model.named_parameters()}
    spared_names = {names[id(parameter)] for parameter in spared["params"]}
    assert spared_names == {n for n in names.values() if "norm" in n or "relative_position_bias_table" in n}
    assert len(decaying["params"]) + len(spared["params"]) == len(names)


def test_only_what_trains_is_in_the_optimizer() -> None:
    step = _step(method="fixed")
    trained = {id(p) for p in step.model.parameters() if p.requires_grad}
    assert {id(p) for group in step.optimizer.param_groups for p in group["params"]} == trained


@pytest.mark.parametrize(("method", "trainable"), [("fixed", 0), ("full", 86_745_016), ("e3va", 1_195_008)])
def test_parameters_of_backbone_and_whole(method: str, trainable: int) -> None:
    heads = 58_231_986
    added = 1_195_008 - 3_840 if method == "e3va" else 0  # the output norms were there before
    params = prepare(Case(task="coco", method=method), META).params
    assert params == {
        "trainable_backbone": trainable,
        "trainable_total": trainable + heads,
        "total": 144_977_002 + added,
    }


def test_drop_path_is_the_tasks_own() -> None:
    step = _step()
    assert step.model.backbone.blocks()[-1].drop_path2.drop_prob == pytest.approx(0.2)


def test_on_meta_nothing_is_filled() -> None:
    prepared = prepare(Case(task="coco", method="e3va++", backbone="swin_large"), META)
    assert {tensor.device for tensor in (*prepared.model.parameters(), *prepared.model.buffers())} == {META}
    step = prepared.build_step(META)
    step()


def test_a_run_takes_batch_after_batch_and_keeps_the_last_until_the_next_is_there() -> None:
    prepared = prepare(Case(task="voc", method="fixed", **SMALL | {"image_size": (64, 96)}, batches=3), META)
    assert len(prepared.shapes) == len(prepared.batches) == 2 + 3  # two to warm up
    step = prepared.build_step(META)
    assert step.batch is None
    seen = []
    for _ in range(7):
        step()
        images, targets = step.batch
        seen.append((images.shape[2:], targets.boxes.shape[1]))
    expected = [(torch.Size(shape.image_size), shape.gt_boxes) for shape in prepared.shapes]
    assert seen == [*expected, *expected[:2]]  # and again from the start


def test_a_single_batch_is_copied_once() -> None:
    step = _step(method="fixed")
    step()
    first = step.batch
    step()
    assert step.batch is first


@pytest.mark.parametrize(("precision", "scale"), [("fp32", 1.0), ("amp-bf16", 1.0), ("amp-fp16", 2.0**16)])
def test_only_gradients_of_half_precision_that_would_underflow_are_scaled(precision: str, scale: float) -> None:
    """By 65536 to begin with, as PyTorch documents; the scaler then keeps its scale and its count on the device."""
    fields = {"task": "voc", "method": "fixed", **SMALL, "precision": precision, "engine": "simulate"}
    prepared, scales = prepare(Case(**fields), META), []

    def build_step(device: torch.device):
        step = prepared.build_step(device)
        scales.append(step.scaler.get_scale())
        return step

    trace = trace_steps(build_step, META, precision=precision, iterations=1)
    assert scales == [scale]
    names = {operator.name for operator in trace.operators}
    assert ("_amp_foreach_non_finite_check_and_unscale_.default" in names) == (scale > 1)
    scalars = {
        (allocation.dtype, trace.operators[allocation.operator].name)
        for allocation in trace.allocations
        if allocation.requested_bytes == 4 and trace.operators[allocation.operator].name == "full.default"
    }
    assert scalars == ({(torch.float32, "full.default"), (torch.int32, "full.default")} if scale > 1 else set())
