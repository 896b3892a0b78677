"""Keras weights-only HDF5 files, looked at before Keras may open them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mitobench.errors import MissingError

__all__ = ["read_channels"]

_LAYER = re.compile(r"layers/(conv2d|conv2d_transpose)(?:_(\d+))?/vars/([01])")
Shape = tuple[int, ...]


def read_channels(path: Path) -> tuple[int, ...]:
    """The feature channels of each level of the U-Net whose weights a ``.weights.h5`` file holds, finest first.

    The file is inspected without reading a dataset: it may hold plain datasets only, all inside it, none claiming more than
    it stores, and under ``layers`` exactly the published network's convolutions.

    Raises:
        MissingError: absent, truncated, not HDF5, a full model, links, external storage, or another network.
    """
    import h5py

    if not path.is_file():
        raise MissingError(f"{path}: no such weights file.")
    try:
        with h5py.File(path, "r") as file:
            if {"model_config", "training_config"} & set(file.attrs):
                raise _refused(path, "a full model, which can hold code")
            shapes = _shapes(path, file)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise MissingError(
            f"{path}: not a readable HDF5 file ({str(error).splitlines()[0]}). Give a whole file that model.save_weights wrote."
        ) from None
    return _channels(path, {name: shape for name, shape in shapes.items() if name.startswith("layers/")})


def _shapes(path: Path, file: Any) -> dict[str, Shape]:
    """The shape of every dataset by path; refuses whatever is not a plain dataset of bounded size."""
    import h5py

    shapes: dict[str, Shape] = {}
    groups = [("", file)]
    claimed = 0
    while groups:
        prefix, group = groups.pop()
        for name in group:
            where = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refused(path, f"{where} is a link")
            item = group[name]
            if isinstance(item, h5py.Group):
                if where.count("/") > 16:
                    raise _refused(path, f"{where} is nested too deeply")
                groups.append((f"{where}/", item))
                continue
            if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                raise _refused(path, f"{where} is not a plain dataset")
            claimed += item.nbytes
            shapes[where] = item.shape
    if claimed > path.stat().st_size:
        raise _refused(path, f"it claims {claimed} bytes of weights but has {path.stat().st_size}")
    return shapes


def _refused(path: Path, why: str) -> MissingError:
    return MissingError(f"{path}: refused ({why}). Expected a weights-only file that model.save_weights wrote.")


def _channels(path: Path, shapes: Mapping[str, Shape]) -> tuple[int, ...]:
    found: dict[tuple[str, int], dict[str, Shape]] = {}
    for name, shape in shapes.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            raise _other(path, f"{name} is unexpected")
        found.setdefault((match[1], int(match[2] or 0)), {})[match[3]] = shape
    kernels = {layer: variables.get("0", ()) for layer, variables in found.items()}
    levels = sum(kind == "conv2d_transpose" for kind, _ in kernels)
    first = [kernels.get(("conv2d", 2 * level), ()) for level in range(levels + 1)]
    if not levels or not all(len(shape) == 4 and shape[3] > 0 for shape in first):
        raise _other(path, f"{levels} transposed convolutions and {len(kernels) - levels} others")
    channels = tuple(int(shape[3]) for shape in first)
    expected = _expected(channels)
    for layer, kernel in expected.items():
        wanted = {"0": kernel, "1": (kernel[2 if layer[0] == "conv2d_transpose" else 3],)}
        if found.get(layer) != wanted:
            raise _other(path, f"{layer[0]} {layer[1]} has kernel and bias {found.get(layer)}, expected {wanted}")
    if len(kernels) != len(expected):
        raise _other(path, f"{len(kernels)} layers, expected {len(expected)}")
    return channels


def _expected(channels: tuple[int, ...]) -> dict[tuple[str, int], Shape]:
    """The kernel shapes of the published network with these channels, by kind and number of the layer."""
    *encoder, bottleneck = channels
    pairs = list(zip([1, *encoder], channels, strict=True))
    pairs += [(2 * width, width) for width in reversed(encoder)]
    sides = [(3, 3, *pair) for before, width in pairs for pair in ((before, width), (width, width))]
    kernels: dict[tuple[str, int], Shape] = {("conv2d", i): shape for i, shape in enumerate(sides)}
    kernels["conv2d", len(sides)] = (1, 1, encoder[0], 1)
    for index, (below, width) in enumerate(zip([bottleneck, *reversed(encoder)], reversed(encoder), strict=False)):
        kernels["conv2d_transpose", index] = (2, 2, width, below)
    return kernels


def _other(path: Path, why: str) -> MissingError:
    return MissingError(
        f"{path}: weights of another network ({why}). Expected those of the published U-Net: two 3 x 3 convolutions a block, "
        "2 x 2 transposed convolutions, a 1 x 1 output, of any channels."
    )
