"""Image embeddings of a frozen encoder: made once per picture, kept as 16-bit numbers in memory and, if asked, on disk."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mitobench.hashing import hash_array

__all__ = ["Embeddings"]


class Embeddings:
    """A store of embeddings under the encoder's key and the picture's pixels.

    Args:
        encode: makes the embedding (C, g, g) of a picture, uint8 (H, W) or (H, W, 3).
        key: a hash of the encoder's weights, numeric mode and preprocessing.
        folder: also keep them here, one file each, for later trainings; None = in memory alone.

    Attributes:
        encoded: how many times the encoder has run.
    """

    def __init__(self, encode: Callable[[NDArray[np.uint8]], Tensor], key: str, folder: Path | None = None) -> None:
        self._encode, self._key, self._folder = encode, key, folder
        self._known: dict[str, Tensor] = {}
        self.encoded = 0

    def __len__(self) -> int:
        return len(self._known)

    def of(self, picture: NDArray[np.uint8]) -> Tensor:
        """The embedding of a picture, float16 (C, g, g) on the CPU."""
        name = f"{self._key}-{hash_array(picture)}"
        if name not in self._known:
            self._known[name] = self._from_disk(name, picture)
        return self._known[name]

    def _from_disk(self, name: str, picture: NDArray[np.uint8]) -> Tensor:
        path = None if self._folder is None else self._folder / f"{name}.npy"
        if path is not None and (stored := _read(path)) is not None:
            return stored
        made = self._encode(picture).detach().to("cpu", torch.float16)
        self.encoded += 1
        if path is not None:
            _write(path, made)
        return made


def _read(path: Path) -> Tensor | None:
    """A stored embedding; None where it is absent or was not written whole, so that it is made again."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(array) if array.dtype == np.float16 and array.ndim == 3 else None


def _write(path: Path, embedding: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.save(file, embedding.numpy())
    temporary.replace(path)
