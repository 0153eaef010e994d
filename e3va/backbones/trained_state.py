"""State dicts of what training changes in a model: parameters that train, and statistics of batch norms."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers in which a batch norm of PyTorch gathers statistics while it trains, and with which it evaluates."""


def trainable_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return what training changes, by name: all that one fine-tuned task has to store.

    These are the parameters that train, and the running statistics of every norm that tracks them. The statistics
    belong to it even if the norm's own weights are frozen, because a forward pass in training mode changes them all the
    same. Whether the model is in training mode now makes no difference. Norms whose statistics never change, such as
    torchvision's `FrozenBatchNorm2d`, track none. The tensors are the model's own, as in `nn.Module.state_dict`.
    """
    trained = {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}
    return trained | dict(_statistics(model))


def _statistics(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for path, module in model.named_modules():
        if getattr(module, "track_running_stats", False):  # what batch and instance norms of PyTorch have in common
            for name, buffer in module.named_buffers(path, recurse=False):
                if name.rpartition(".")[2] in STATISTICS:
                    yield name, buffer.detach()


def load_trainable_state_dict(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load what `trainable_state_dict` returned.

    Raises `ValueError`, which names the missing and unexpected entries, unless the same entries change here.
    """
    expected = trainable_state_dict(model).keys()
    if state.keys() != expected:
        missing, unexpected = sorted(expected - state.keys()), sorted(state.keys() - expected)
        raise ValueError(f"the state is not what this model trains: missing {missing}, unexpected {unexpected}")
    model.load_state_dict(dict(state), strict=False)
