"""What torch trainers share beside the loop: their store, the learning rate, averaged weights, mixed precision."""

import contextlib
import math
import pickle
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mitobench.files import atomic_file
from mitobench.training.loop import Unfinished, damaged_state

__all__ = ["TorchStore", "WeightAverage", "learning_rate", "mixed_precision"]

_FORMAT = 1


class TorchStore:
    """Keeps weights and states of torch tasks: tensors and plain data, in a file that ``torch.load(weights_only=True)`` reads."""

    def copy(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same weights on the CPU, where later steps do not change them."""
        return {key: value.detach().cpu().clone() for key, value in weights.items()}

    def write(self, path: Path, unfinished: Unfinished) -> None:
        """Write the file, whole or not at all.

        Raises:
            ResourceError: the disk is full or the folder cannot be written.
        """
        outcome = {**unfinished.facts, "weights": unfinished.weights}
        state = {"format": _FORMAT, "identity": unfinished.identity, "outcome": outcome, "task": unfinished.state}
        with atomic_file(path) as file:
            try:
                torch.save(state, file)
            except RuntimeError as error:  # in whose clothes torch shows a full disk
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise

    def read(self, path: Path) -> Unfinished:
        """Read such a file; nothing of it is executed.

        Raises:
            MissingError: it is damaged, or another file.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if isinstance(state, dict) and state["format"] == _FORMAT:
                facts = dict(state["outcome"])
                return Unfinished(state["identity"], facts, facts.pop("weights"), state["task"])
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            pass
        raise damaged_state(path)


def learning_rate(highest: float, progress: float, warmup: float = 0.05) -> float:
    """Linear rise over the first ``warmup`` share of the training, then a cosine down to a thousandth.

    >>> learning_rate(1.0, 0.05)
    1.0

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017.
    """
    if progress < warmup:
        return highest * (0.01 + 0.99 * progress / warmup)
    falling = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    return highest * (0.001 + 0.999 * falling)


class WeightAverage:
    """An exponential moving average of a network's weights and running statistics.

    Source: Polyak and Juditsky, SIAM J. Control Optim. 1992; the decay starts low, as in TensorFlow's implementation.

    Args:
        network: whose weights are followed.
        average: a network of the same architecture, to which the average is written.
        decay: 0 = the weights themselves.
    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float) -> None:
        self._network, self._average, self._decay = network, average, decay
        average.load_state_dict(network.state_dict())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (0, 1, ...)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        now = self._network.state_dict()
        for key, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(now[key], 1 - decay)
            else:
                value.copy_(now[key])


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 on a GPU that has it (no gradient scaler needed, so nothing more to resume); nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()
