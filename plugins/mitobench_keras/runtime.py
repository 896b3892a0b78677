"""TensorFlow and Keras, imported silently, beside torch, without taking the whole GPU; and its device names and errors.

Every other module of this plugin takes ``tf`` and ``keras`` from here, so that what must happen before the import does.
"""

import contextlib
import importlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from mitobench.errors import DeviceMemoryError, MissingError, UsageError

__all__ = ["device_memory", "keras", "resolve_device", "tf"]

_BACKEND = "KERAS_BACKEND"
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
_LOG_LINE = re.compile(rb"(WARNING: All log messages before absl|[IWE]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IWE] )")
_DEVICE = re.compile(r"cuda(?::(\d+))?")


@contextlib.contextmanager
def _without_log_lines() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and pass on what is not a TensorFlow log line.

    TensorFlow's C++ part logs while it is loaded, before it looks at TF_CPP_MIN_LOG_LEVEL.
    """
    try:
        sys.stderr.flush()
        stderr = os.dup(2)
    except (OSError, ValueError, AttributeError):
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _LOG_LINE.match(line):
                    os.write(2, line)


def _load_triton_first() -> None:
    """Load torch's compiler before TensorFlow: both bring an LLVM, and only in this order do they share a process.

    The other way round, importing triton (which torchvision does through torch) ends the process: "LLVM ERROR: inconsistency in
    registered CommandLine options", seen with TensorFlow 2.21 and triton 3.9.
    """
    if "tensorflow" not in sys.modules:
        with contextlib.suppress(ImportError):
            importlib.import_module("triton")


def _import() -> tuple[Any, Any]:
    _load_triton_first()
    asked = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    backend = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = "tensorflow"
    try:
        with contextlib.nullcontext() if asked else _without_log_lines():
            import keras
            import tensorflow as tf

            _grow_memory(tf)
    finally:
        if backend is None:
            del os.environ[_BACKEND]
        else:
            os.environ[_BACKEND] = backend
    if keras.backend.backend() != "tensorflow":
        raise MissingError(
            f"keras was already imported with the backend {keras.backend.backend()!r}; unet-keras needs 'tensorflow'. "
            "Set KERAS_BACKEND=tensorflow before keras is imported."
        )
    if not asked:
        tf.get_logger().setLevel(logging.ERROR)
    return tf, keras


def _grow_memory(tf: Any) -> None:
    """Take GPU memory as it is needed, not all of it at once."""
    for gpu in tf.config.list_physical_devices("GPU"):
        # Where somebody else in this process has used TensorFlow already, it is too late, and theirs to decide.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


tf, keras = _import()


def resolve_device(name: str) -> str:
    """TensorFlow's name (``/CPU:0``, ``/GPU:1``) for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: no such name.
        MissingError: the device is not there; never falls back to the CPU unless asked with ``auto``.
    """
    count = len(tf.config.get_visible_devices("GPU"))
    if name == "auto":
        return "/GPU:0" if count else "/CPU:0"
    if name == "cpu":
        return "/CPU:0"
    if name == "mps":
        raise MissingError(
            "device 'mps' was asked for but unet-keras runs on cpu or cuda only. Use --device auto or cpu."
        )
    match = _DEVICE.fullmatch(name)
    if match is None:
        raise UsageError(f"device {name!r} is unknown; expected auto, cpu, cuda or cuda:N.")
    index = int(match[1] or 0)
    if index >= count:
        raise MissingError(
            f"device {name!r} was asked for but TensorFlow sees {count} GPU(s). Use --device auto or cpu, or "
            "`pip install 'tensorflow[and-cuda]'` and a driver."
        )
    return f"/GPU:{index}"


@contextlib.contextmanager
def device_memory() -> Iterator[None]:
    """Turn TensorFlow's out-of-memory error into :class:`DeviceMemoryError`."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        reason = str(error.message).strip().splitlines()
        raise DeviceMemoryError(
            f"the device ran out of memory ({reason[0] if reason else 'no details'}). A smaller batch= needs less."
        ) from error
