"""Torch devices: a named device that is missing is an error, and running out of memory has one name."""

import contextlib
from collections.abc import Iterator

import torch

from mitobench.errors import DeviceMemoryError, MissingError, UsageError

__all__ = ["device_memory", "resolve_device"]


def resolve_device(name: str) -> torch.device:
    """The torch device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        UsageError: no such name.
        MissingError: the device is not there; never falls back to the CPU unless asked with ``auto``.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device {name!r} is unknown; expected auto, cpu, cuda, cuda:N or mps.") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise MissingError(
                f"device {name!r} was asked for but torch sees {count} CUDA device(s). Use --device auto or cpu, or install a driver."
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise MissingError("device 'mps' was asked for but torch sees no Metal device. Use --device auto or cpu.")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"device {name!r} is unknown; expected auto, cpu, cuda, cuda:N or mps.")
    return device


@contextlib.contextmanager
def device_memory() -> Iterator[None]:
    """Turn torch's out-of-memory error into :class:`DeviceMemoryError`, having emptied the cache."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise DeviceMemoryError(f"the device ran out of memory ({str(error).splitlines()[0]})") from error
