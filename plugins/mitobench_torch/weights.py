"""Torch weights without pickle: safetensors, or ``torch.load(weights_only=True)``."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mitobench.checkpoints import Card, read_checkpoint, write_checkpoint
from mitobench.errors import MissingError

__all__ = ["load_into", "read_state", "save_state"]


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file or from a ``.pt`` / ``.pth`` file of tensors only.

    Raises:
        MissingError: absent, truncated, not a weights file (an HTML page, say), or a pickle that holds more than tensors;
            nothing of such a file is executed.
    """
    if path.suffix == ".safetensors":
        return {key: torch.from_numpy(value) for key, value in read_checkpoint(path)[0].items()}
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such weights file.") from None
    except pickle.UnpicklingError:
        raise MissingError(
            f"{path}: refused. It is no plain weights file, or it holds code beside tensors; nothing of it was run."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise MissingError(
            f"{path}: not a readable weights file ({str(error).splitlines()[0] if str(error) else type(error).__name__}). Fetch it again."
        ) from None
    if isinstance(state, Mapping) and "model" in state and isinstance(state["model"], Mapping):
        state = state["model"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MissingError(f"{path}: expected a mapping of names to tensors, found {type(state).__name__}.")
    return dict(state)


def load_into(module: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Load a state dict into a module, key by key.

    Raises:
        MissingError: keys or shapes differ: the weights are of another architecture. Names the first few.
    """
    own = module.state_dict()
    problems = [f"missing {key}" for key in own if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in own]
    problems += [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if problems:
        raise MissingError(
            f"{source}: weights of another architecture ({'; '.join(problems[:3])}{' ...' if len(problems) > 3 else ''}; {len(problems)} differences)."
        )
    module.load_state_dict(dict(state))


def save_state(path: Path, state: Mapping[str, Tensor], card: Card, *, half: bool = False) -> None:
    """Write a state dict as a safetensors checkpoint with its card; ``half`` stores floating-point tensors as fp16."""
    tensors = {
        key: value.detach().cpu().half() if half and value.is_floating_point() else value.detach().cpu()
        for key, value in state.items()
    }
    write_checkpoint(path, {key: value.numpy() for key, value in tensors.items()}, card)
