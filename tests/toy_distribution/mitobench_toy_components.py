"""The components of the toy plugin."""

import functools
import os
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from mitobench.errors import ContractError, DeviceMemoryError
from mitobench.hashing import hash_array, hash_data
from mitobench.interfaces import ImageStatistics, Score
from mitobench.masks import PackedMasks, resolve_overlaps
from mitobench.options import ComponentOptions, NoOptions
from mitobench.prompts import Prompts
from mitobench.samples import Sample, SampleRef
from mitobench.seeds import derive_rng
from mitobench.segmentations import Segmentation


class DiscsOptions(ComponentOptions):
    n: int = 6
    size: int = 48
    groups: int = 1
    seed: int = 0
    broken: str = ""


class Discs:
    """``n`` square images with four discs of differing brightness each."""

    def __init__(self, options, context):
        self.options = options

    @property
    def fingerprint(self):
        return hash_data(self.options.identity())

    def refs(self):
        for index in range(self.options.n):
            group = f"volume{index * self.options.groups // self.options.n}"
            yield SampleRef(id=f"disc{index}", group=group, read=functools.partial(_read, index, group, self.options))


def _read(index, group, options):
    if options.broken == f"disc{index}":
        raise ContractError("this image cannot be read")
    rng = derive_rng(options.seed, "discs", index)
    y, x = np.mgrid[: options.size, : options.size]
    labels = np.zeros((options.size, options.size), np.int32)
    image = rng.normal(40, 10, labels.shape)
    for number, (row, column) in enumerate(((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)), 1):
        disc = (y - row * options.size) ** 2 + (x - column * options.size) ** 2 < (
            options.size * rng.uniform(0.08, 0.2)
        ) ** 2
        labels[disc] = number
        image[disc] = rng.normal(rng.uniform(90, 200), 15, int(disc.sum()))
    image = np.clip(image, 0, 255).astype(np.uint8)
    return Sample(id=f"disc{index}", image=image, labels=labels, group=group, origin=hash_array(image))


class CentresOptions(ComponentOptions):
    threshold: int = 90
    fail_on: str = ""


class Centres:
    """One point at the centre of mass of each bright region."""

    encoder_key = None

    def __init__(self, options, context):
        self.options = options

    def encode(self, images):
        raise AssertionError("nothing to encode")

    def prompt(self, encoding, sample, rng):
        assert sample.labels is None, "an automatic prompter must not see the reference"
        if self.options.fail_on == sample.id:
            raise ContractError(f"no prompts for {sample.id}")
        return _points(_bright(sample.image, self.options.threshold), sample.image.shape)


class Oracle:
    """One random point inside each reference object."""

    encoder_key = None

    def __init__(self, options, context):
        assert isinstance(options, NoOptions)

    def encode(self, images):
        raise AssertionError("nothing to encode")

    def prompt(self, encoding, sample, rng):
        ids = [int(i) for i in np.unique(sample.labels) if i]
        points = [rng.choice(np.argwhere(sample.labels == i)) for i in ids]
        points = np.array(points, np.float32).reshape(-1, 1, 2)[:, :, ::-1].copy()
        return Prompts(points=points, point_labels=np.ones(points.shape[:2], np.int8), targets=np.array(ids, np.int64))


class FloodOptions(ComponentOptions):
    threshold: int = 80
    log: Path | None = None
    delay: float = 0.0
    shape_error: bool = False
    memory: int = 0
    die_on: str = ""
    not_identity = frozenset({"delay", "die_on", "log", "memory"})


class Flood:
    """The connected bright region under each point. Encodes an image into its labelled bright regions."""

    def __init__(self, options, context):
        self.options = options

    @property
    def encoder_key(self):
        return hash_data(["bright", self.options.threshold])

    def encode(self, images):
        if self.options.memory and len(images) > self.options.memory:
            raise DeviceMemoryError("toy device is full")
        if self.options.log is not None:
            with self.options.log.open("a") as log:
                log.write("".join(f"{hash_array(image)}\n" for image in images))
        time.sleep(self.options.delay * len(images))
        return [_bright(image, self.options.threshold) for image in images]

    def segment(self, encoding, sample, prompts):
        assert sample.labels is None
        if self.options.die_on == sample.id:
            os._exit(9)
        shape = (1, 1) if self.options.shape_error else sample.shape
        masks = [
            encoding == found if found else encoding < 0
            for found in map(functools.partial(_under, encoding), prompts.points if prompts.points is not None else [])
        ]
        packed = PackedMasks.from_dense([mask[: shape[0], : shape[1]] for mask in masks], shape)
        scores = np.linspace(0.9, 0.5, len(masks)).astype(np.float32)
        labels, kept = resolve_overlaps(packed, scores)
        return Segmentation(labels=labels, scores=kept, masks=packed, mask_scores=scores)


class Threshold(Flood):
    """All bright regions; takes no prompts and shares the encoding of ``Flood``."""

    def segment(self, encoding, sample, prompts):
        assert len(prompts) == 0
        count = int(encoding.max())
        return Segmentation(labels=encoding.astype(np.int32), scores=np.ones(count, np.float32), semantic=True)


class OverlapOptions(ComponentOptions):
    margin: int = 0
    fail_on: str = ""


class Overlap:
    """Foreground Dice and IoU."""

    reported = (Score(name="Dice", headline=True, per_image=True), Score(name="IoU"))

    def __init__(self, options, context):
        self.options = options

    def statistics(self, sample, segmentation, prompts):
        if sample.id == self.options.fail_on:
            raise ValueError("cannot measure this one")
        inner = (slice(self.options.margin, -self.options.margin or None),) * 2
        reference, predicted = sample.labels[inner] > 0, segmentation.labels[inner] > 0
        return ImageStatistics(
            image={"both": (reference & predicted).sum(), "reference": reference.sum(), "predicted": predicted.sum()}
        )

    def scores(self, totals):
        union = totals["reference"] + totals["predicted"] - totals["both"]
        return {"Dice": 2 * totals["both"] / (totals["reference"] + totals["predicted"]), "IoU": totals["both"] / union}


class Prompted:
    """IoU of each prompt's mask with the object it was made from."""

    reported = (Score(name="IoU (prompt)"),)

    def __init__(self, options, context):
        pass

    def statistics(self, sample, segmentation, prompts):
        if segmentation.masks is None or prompts.targets is None:
            return None
        pairs = [(segmentation.masks.dense(i), sample.labels == t) for i, t in enumerate(prompts.targets)]
        ious = np.array([(a & b).sum() / (a | b).sum() for a, b in pairs])
        return ImageStatistics(
            image={"iou": ious.sum(), "n": len(ious)}, objects={"target": prompts.targets, "iou": ious}
        )

    def scores(self, totals):
        return {"IoU (prompt)": totals["iou"] / totals["n"]}


def _bright(image, threshold):
    return ndimage.label(image > threshold)[0]


def _points(regions, shape):
    count = int(regions.max())
    centres = np.array(ndimage.center_of_mass(regions > 0, regions, range(1, count + 1)), np.float32).reshape(-1, 1, 2)
    return Prompts(points=centres[:, :, ::-1].copy(), point_labels=np.ones((count, 1), np.int8))


def _under(encoding, points):
    x, y = np.rint(points[0]).astype(int)
    return int(encoding[y, x])
