"""Prompts in a fixed order, without repetitions, in pieces."""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import ContractError
from mitobench.prompts import Prompts

__all__ = ["distinct", "is_lone_point", "pieces"]


def distinct(prompts: Prompts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The different prompts among N, in an order that depends on their content only.

    The last bits of a batched matrix product may depend on where in the batch a prompt stands; in this order every
    prompt stands in the same place whatever the order in which the prompts came.

    Returns:
        chosen (M,): indexes of one prompt of each kind; place (N,): where in ``chosen`` each prompt's equal stands.

    Raises:
        ContractError: prompts without box, point and mask.
    """
    if not prompts.kinds:
        raise ContractError("prompts: expected boxes, points or masks for SAM; found none of them.")
    keys = [_key(prompts, index) for index in range(len(prompts))]
    first: dict[tuple[object, ...], int] = {}
    for index, key in enumerate(keys):
        first.setdefault(key, index)
    ordered = sorted(first)
    place = {key: position for position, key in enumerate(ordered)}
    return np.array([first[key] for key in ordered], np.intp), np.array([place[key] for key in keys], np.intp)


def _key(prompts: Prompts, index: int) -> tuple[object, ...]:
    box = () if prompts.boxes is None else tuple(prompts.boxes[index].tolist())
    points = () if prompts.points is None else tuple(prompts.points[index].ravel().tolist())
    labels = () if prompts.point_labels is None else tuple(prompts.point_labels[index].tolist())
    mask = b"" if prompts.masks is None else hashlib.blake2b(prompts.masks[index].tobytes()).digest()
    return box, points, labels, mask


def pieces(chosen: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Cut the prompts' indexes into pieces of at most ``size``."""
    for start in range(0, chosen.size, size):
        yield chosen[start : start + size]


def is_lone_point(prompts: Prompts) -> NDArray[np.bool_]:
    """bool (N,): whether a prompt is one point and nothing else, which leaves open how much around it is meant."""
    if prompts.point_labels is None or prompts.boxes is not None or prompts.masks is not None:
        return np.zeros(len(prompts), np.bool_)
    return np.asarray((prompts.point_labels >= 0).sum(axis=1) == 1)
