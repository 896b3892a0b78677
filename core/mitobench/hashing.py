"""Content hashes: of plain data, arrays and files. Every identity in mitobench is one of these."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["hash_array", "hash_data", "hash_file", "sha256_file"]

_CHUNK = 1 << 20


def hash_data(data: Any) -> str:
    """Hash plain data (what JSON can hold); the order of mapping keys does not matter.

    Returns:
        32 hexadecimal digits (BLAKE2b).
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def hash_array(array: "NDArray[Any]") -> str:
    """Hash an array's dtype, shape and values; byte order and memory layout do not matter.

    Returns:
        32 hexadecimal digits (BLAKE2b).
    """
    import numpy as np

    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.blake2b(f"{little.dtype.str}{array.shape}".encode(), digest_size=16)
    digest.update(little.view(np.uint8).reshape(-1).data if little.size else b"")
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """Hash a file's bytes, reading it in pieces.

    Returns:
        32 hexadecimal digits (BLAKE2b).
    """
    return _digest(path, hashlib.blake2b(digest_size=16))


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes as 64 hexadecimal digits: the form in which weights are published."""
    return _digest(path, hashlib.sha256())


def _digest(path: Path, digest: Any) -> str:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return str(digest.hexdigest())
