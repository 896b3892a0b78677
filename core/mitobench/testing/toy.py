"""A toy data source, made in memory: small images with everything that trips components up, and prompts for them."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mitobench.descriptors import PromptKind
from mitobench.hashing import hash_array, hash_data
from mitobench.interfaces import BuildContext
from mitobench.masks import PackedMasks
from mitobench.options import ComponentOptions, NoOptions
from mitobench.prompts import Prompts, mask_logits
from mitobench.samples import Sample, SampleRef
from mitobench.seeds import derive_rng

__all__ = ["ToySource", "toy_prompts", "toy_sample", "toy_samples"]

Labels = NDArray[np.int32]


def _cells() -> Labels:
    """A disc, a crescent (its centroid lies off it), two that touch, one at the border; ids with gaps."""
    labels = np.zeros((64, 80), np.int32)
    rows, cols = np.mgrid[:64, :80]
    labels[(rows - 14) ** 2 + (cols - 15) ** 2 <= 64] = 1
    ring = (rows - 40) ** 2 + (cols - 20) ** 2
    labels[(ring <= 225) & (ring >= 100) & (cols < 22)] = 5
    labels[10:26, 40:50] = 7
    labels[10:26, 50:62] = 8
    labels[44:64, 66:80] = 900
    return labels


def _tall() -> Labels:
    labels = np.zeros((53, 31), np.int32)
    labels[5:20, 4:15] = 1
    labels[30:47, 12:28] = 2
    return labels


def _pixel() -> Labels:
    labels = np.zeros((33, 47), np.int32)
    labels[32, 46] = 3
    return labels


def _thin() -> Labels:
    return np.array([[0, 1, 1, 1, 0, 0, 2, 2, 0]], np.int32)


_LABELS: Mapping[str, Callable[[], Labels]] = {
    "cells": _cells,
    "tall rgb": _tall,
    "one pixel": _pixel,
    "empty": lambda: np.zeros((40, 36), np.int32),
    "thin": _thin,
    "ignored corner": _cells,
    "full": lambda: np.full((24, 24), 2, np.int32),
}


def toy_sample(name: str) -> Sample:
    """The toy sample of that name: objects brighter than their noisy background."""
    labels = _LABELS[name]()
    noise = derive_rng(0, "toy", name).normal(0, 6, labels.shape)
    image = np.clip(np.where(labels > 0, 170, 70) + noise, 0, 255).astype(np.uint8)
    ignore = None
    if name.startswith("ignored"):
        ignore = np.zeros(labels.shape, np.bool_)
        ignore[44:, 60:] = True
    return Sample(
        id=f"toy/{name}",
        image=np.stack([image, image, image // 2], axis=2) if name.endswith("rgb") else image,
        labels=labels,
        ignore=ignore,
        group=name[0],
        split="test",
        pixel_size_nm=None if name == "tall rgb" else (5.0, 5.0),
        origin=hash_array(image),
    )


def toy_samples() -> list[Sample]:
    """All toy samples: odd and thin sizes, grey and RGB, no object, one pixel, no background, ignored pixels."""
    return [toy_sample(name) for name in _LABELS]


class ToySource:
    """The toy samples as a data source."""

    def __init__(self, options: ComponentOptions | None = None, context: BuildContext | None = None) -> None:
        self.options = options or NoOptions()
        self.context = context or BuildContext()

    @property
    def fingerprint(self) -> str:
        """A hash of the samples."""
        return hash_data([[s.id, hash_array(s.image)] for s in toy_samples()])

    def refs(self) -> Iterator[SampleRef]:
        """The toy samples, unread."""
        for name in _LABELS:
            read = functools.partial(toy_sample, name)
            yield SampleRef(id=f"toy/{name}", read=read, group=name[0], split="test")


def toy_prompts(sample: Sample, kinds: Iterable[PromptKind]) -> Prompts:
    """One prompt for each object of a sample's reference, of the given kinds together: its box, one pixel of it, its mask."""
    if sample.labels is None:
        raise ValueError(f"sample {sample.id!r} has no reference; toy prompts are made from one.")
    labels = sample.labels if sample.ignore is None else np.where(sample.ignore, 0, sample.labels)
    ids = np.unique(labels[labels > 0]).astype(np.int64)
    masks = PackedMasks.from_labels(labels, ids.tolist())
    y0, x0, y1, x1 = masks.boxes.T
    wanted = set(kinds)
    points = np.array([_inner_pixel(masks, i) for i in range(len(masks))], np.float32).reshape(-1, 1, 2)
    logits = [mask_logits(masks.dense(i).astype(np.float32)) for i in range(len(masks))] if "mask" in wanted else []
    return Prompts(
        boxes=np.stack([x0, y0, x1 - 1, y1 - 1], axis=1).astype(np.float32) if "box" in wanted else None,
        points=points if "point" in wanted else None,
        point_labels=np.ones(points.shape[:2], np.int8) if "point" in wanted else None,
        masks=np.array(logits, np.float32).reshape(-1, 256, 256) if "mask" in wanted else None,
        targets=ids,
    )


def _inner_pixel(masks: PackedMasks, index: int) -> tuple[int, int]:
    """The middle one, in raster order, of a mask's pixels, as (x, y)."""
    (top, left), crop = masks.crop(index)
    rows, cols = np.nonzero(crop)
    return left + int(cols[rows.size // 2]), top + int(rows[rows.size // 2])
