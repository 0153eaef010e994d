"""The training loop of a measured run, rebuilt from its description (`drystep/ground_truth/README.md`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from drystep.cuda.meta_cache import META
from drystep.errors import choose
from drystep.torch_private import apply_to_tensors
from drystep.trace.recorder import BuildStep, Step
from drystep.validation.ground_truth import MeasuredRun

OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
BEFORE_FORWARD, BEFORE_BACKWARD, AFTER_STEP = range(3)


class Network(Protocol):
    """The network that a run trains, and its batches."""

    def build(self) -> nn.Module:
        """Build the model, in host memory or on meta."""
        ...

    def batch(self, device: torch.device) -> dict[str, Tensor]:
        """Make one batch on the device."""
        ...

    def forward(self, model: nn.Module, batch: dict[str, Tensor]) -> Any:
        """Run the model, and return its output."""
        ...

    def loss(self, output: Any, batch: dict[str, Tensor]) -> Tensor:
        """Loss of an output."""
        ...

    def logits(self, output: Any) -> Tensor:
        """The scores in an output."""
        ...


@dataclass
class Loop:
    """One iteration per call. The batch, output and loss of the last iteration live until they are overwritten."""

    network: Network
    model: nn.Module
    optimizer: torch.optim.Optimizer
    zero_grad_mode: int
    device: torch.device
    batch: dict[str, Tensor] | None = None
    output: Any = None
    loss: Tensor | None = None
    predicted: Tensor | None = None

    def __call__(self) -> None:
        """Run one iteration, with `zero_grad` where the run had it."""
        self._zero_grad(BEFORE_FORWARD)
        self.batch = self.network.batch(self.device)
        self.output = self.network.forward(self.model, self.batch)
        self.loss = self.network.loss(self.output, self.batch)
        self._zero_grad(BEFORE_BACKWARD)
        self.loss.backward()
        self.optimizer.step()
        self.predicted = torch.max(self.network.logits(self.output), 1)[1]
        self._zero_grad(AFTER_STEP)

    def _zero_grad(self, place: int) -> None:
        if self.zero_grad_mode == place:
            self.optimizer.zero_grad()


def build_loop(run: MeasuredRun, network: Network) -> BuildStep:
    """Return a `build_step` for `simulate`. Raises `ValueError` for an optimizer that PyTorch does not have."""
    make: Callable[..., torch.optim.Optimizer] = getattr(torch.optim, choose("optimizer", run.optimizer, OPTIMIZERS))
    host_model = network.build()

    def build_step(device: torch.device) -> Step:
        model = apply_to_tensors(host_model, lambda tensor: tensor.to(device, copy=True)).train()
        optimizer = make(model.parameters(), lr=run.learning_rate)
        return Loop(network, model, optimizer, run.zero_grad_mode, device)

    return build_step


def build_on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a model on meta, without filling weights; in host memory, if its code does not work on meta."""
    try:
        with META:
            return build()
    except NotImplementedError:  # RegNet, for one, computes its widths with tensors
        return build()
