"""State dicts of those parameters of a model that train."""

from collections.abc import Mapping

from torch import Tensor, nn


def trainable_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that train, by name: all that one fine-tuned task has to store."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def load_trainable_state_dict(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load what `trainable_state_dict` returned. Raises `ValueError` unless the same parameters train here."""
    expected = trainable_state_dict(model).keys()
    if state.keys() != expected:
        missing, unexpected = sorted(expected - state.keys()), sorted(state.keys() - expected)
        raise ValueError(f"not the trained parameters of this model: missing {missing}, unexpected {unexpected}")
    model.load_state_dict(dict(state), strict=False)
