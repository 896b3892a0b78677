"""Image embeddings of a frozen encoder: made once per picture, kept as 16-bit numbers in memory and, if asked, on disk."""

import io
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mitobench.errors import ResourceError, UsageError
from mitobench.files import write_atomically
from mitobench.hashing import hash_array

__all__ = ["Embeddings"]

MEMORY_BYTES = 2 << 30
"""What stays in memory of embeddings that are in a folder as well; without a folder all of them do."""


class Embeddings:
    """A store of embeddings under the encoder's key and the picture's pixels.

    Args:
        encode: makes the embedding (C, g, g) of a picture, uint8 (H, W) or (H, W, 3).
        key: a hash of the encoder's weights, numeric mode and preprocessing.
        folder: also keep them here, one file each, for later trainings; None = in memory alone.

    Attributes:
        encoded: how many times the encoder has run.

    Raises:
        UsageError: ``folder`` is a file, or lies below one.
        ResourceError: it cannot be made.
    """

    def __init__(self, encode: Callable[[NDArray[np.uint8]], Tensor], key: str, folder: Path | None = None) -> None:
        self._encode, self._key, self._folder = encode, key, folder
        self._known: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0
        self.encoded = 0
        if folder is not None:
            _make(folder)

    def __len__(self) -> int:
        return len(self._known)

    def of(self, picture: NDArray[np.uint8]) -> Tensor:
        """The embedding of a picture, float16 (C, g, g) on the CPU."""
        name = f"{self._key}-{hash_array(picture)}"
        if name in self._known:
            self._known.move_to_end(name)
            return self._known[name]
        found = self._known[name] = self._from_disk(name, picture)
        self._bytes += found.nbytes
        while self._folder is not None and self._bytes > MEMORY_BYTES and len(self._known) > 1:
            self._bytes -= self._known.popitem(last=False)[1].nbytes
        return found

    def _from_disk(self, name: str, picture: NDArray[np.uint8]) -> Tensor:
        path = None if self._folder is None else self._folder / f"{name}.npy"
        if path is not None and (stored := _read(path)) is not None:
            return stored
        made = self._encode(picture).detach().to("cpu", torch.float16)
        self.encoded += 1
        if path is not None:
            _write(path, made)
        return made


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(
            f"cache_dir={folder}: there is a file where a folder is expected. Give another folder, or none."
        ) from None
    except OSError as error:
        raise ResourceError(
            f"cache_dir={folder}: cannot be made ({error.strerror or error}). Give a folder that can be written, or none."
        ) from error


def _read(path: Path) -> Tensor | None:
    """A stored embedding; None where it is absent or was not written whole, so that it is made again."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(array) if array.dtype == np.float16 and array.ndim == 3 else None


def _write(path: Path, embedding: Tensor) -> None:
    data = io.BytesIO()
    np.save(data, embedding.numpy())
    try:
        write_atomically(path, data.getvalue())
    except ResourceError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise ResourceError(
            f"cache_dir={path.parent}: an embedding cannot be written ({reason}). Free some space, or give another folder or none."
        ) from error
