"""How unfinished trainings of the Keras U-Net are kept: as safetensors, never as a pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mitobench.files import write_atomically
from mitobench.training.loop import Unfinished, damaged_state

__all__ = ["ArrayStore"]

_FORMAT = "mitobench_keras training 1"
Arrays = Mapping[str, NDArray[Any]]


class ArrayStore:
    """Keeps weights and states that are arrays by name."""

    def copy(self, weights: Arrays) -> Arrays:
        """The weights themselves: the learner makes new arrays of them."""
        return weights

    def write(self, path: Path, unfinished: Unfinished) -> None:
        """Write the file, whole or not at all.

        Raises:
            ResourceError: the disk is full or the folder cannot be written.
        """
        from safetensors.numpy import save

        tensors = {f"best/{name}": value for name, value in unfinished.weights.items()}
        tensors |= {f"task/{name}": value for name, value in unfinished.state.items()}
        facts = json.dumps(unfinished.facts)
        metadata = {"format": _FORMAT, "identity": unfinished.identity, "outcome": facts}
        write_atomically(path, save(tensors, metadata=metadata))

    def read(self, path: Path) -> Unfinished:
        """Read such a file.

        Raises:
            MissingError: it is damaged, or another file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
            if metadata["format"] == _FORMAT:
                facts = json.loads(metadata["outcome"])
                return Unfinished(metadata["identity"], facts, _under(tensors, "best/"), _under(tensors, "task/"))
        except (SafetensorError, OSError, KeyError, ValueError):
            pass
        raise damaged_state(path)


def _under(tensors: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
