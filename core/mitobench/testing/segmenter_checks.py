"""What every segmenter must do."""

import math
import pickle
import unittest
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.descriptors import PromptKind, SegmenterDescriptor
from mitobench.errors import DataError
from mitobench.interfaces import ImageBoundSegmenter
from mitobench.options import ComponentOptions
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.seeds import derive_rng
from mitobench.segmentations import Segmentation
from mitobench.testing.case import Case, require
from mitobench.testing.encoding import encode
from mitobench.testing.toy import toy_prompts, toy_sample, toy_samples
from mitobench.testing.unchanged import unchanged

__all__ = ["CHECKS"]

_PIXELS = 0.01
_SCORES = 1e-2


def _accepts(case: Case) -> frozenset[PromptKind]:
    return case.descriptor.accepts if isinstance(case.descriptor, SegmenterDescriptor) else frozenset()


def _prompt_sets(case: Case, sample: Sample) -> list[Prompts]:
    """What to prompt with: each accepted kind by itself; nothing where none is accepted."""
    accepted = sorted(_accepts(case))
    return [toy_prompts(sample, {kind}) for kind in accepted] if accepted else [Prompts()]


def _segment(
    case: Case, sample: Sample, prompts: Prompts, *, segmenter: Any = None, encoding: Any = None
) -> Segmentation:
    segmenter = segmenter if segmenter is not None else case.built
    if encoding is None:
        (encoding,) = encode(segmenter, [sample.image])
    found = segmenter.segment(encoding, sample.without_reference(), prompts)
    require(isinstance(found, Segmentation), f"segment returned {type(found).__name__}; expected Segmentation.")
    found.check_shape(sample.shape)
    return found  # type: ignore[no-any-return]


def _require_alike(found: Segmentation, expected: Segmentation, why: str) -> None:
    """The same foreground but for one pixel in a hundred, and the same number of masks with nearly the same scores."""
    share = float(np.mean((found.labels > 0) != (expected.labels > 0)))
    require(share <= _PIXELS, f"{why}: {share:.1%} of the foreground differs.")
    if found.mask_scores is not None and expected.mask_scores is not None:
        require(
            found.mask_scores.shape == expected.mask_scores.shape
            and np.allclose(found.mask_scores, expected.mask_scores, atol=_SCORES),
            f"{why}: mask_scores differ.",
        )


def _require_same(found: Segmentation, expected: Segmentation, why: str) -> None:
    require(np.array_equal(found.labels, expected.labels), f"{why}: labels differ.")
    require(np.allclose(found.scores, expected.scores, atol=1e-6), f"{why}: scores differ.")


def segmentations_are_valid(case: Case) -> None:
    """On images of every shape: labels of the image's shape and, from a promptable segmenter, a mask for each prompt."""
    for sample in toy_samples():
        for prompts in _prompt_sets(case, sample):
            found = _segment(case, sample, prompts)
            if _accepts(case):
                masks = -1 if found.masks is None else len(found.masks)
                require(masks == len(prompts), f"{sample.id}: {masks} masks for {len(prompts)} prompts.")


def no_prompts_no_instances(case: Case) -> None:
    """Zero prompts give an empty segmentation."""
    if not _accepts(case):
        return
    sample = toy_sample("cells")
    for prompts in (*_prompt_sets(case, toy_sample("empty")), Prompts()):
        found = _segment(case, sample, prompts)
        require(not found.labels.any() and not found.scores.size, "zero prompts give instances.")


def prompt_order_does_not_matter(case: Case) -> None:
    """Prompts in another order give the same label image, and their masks in that order."""
    sample = toy_sample("cells")
    for prompts in _prompt_sets(case, sample):
        if len(prompts) < 2:
            continue
        order = derive_rng(0, "order").permutation(len(prompts))
        expected, found = _segment(case, sample, prompts), _segment(case, sample, _reordered(prompts, order))
        _require_alike(found, replace(expected, masks=None, mask_scores=None), f"{sorted(prompts.kinds)} reordered")
        if found.masks is None or expected.masks is None:
            raise AssertionError("a promptable segmenter returned no masks.")
        share = np.mean([np.mean(found.masks.dense(i) != expected.masks.dense(int(j))) for i, j in enumerate(order)])
        require(share <= _PIXELS, "the masks do not follow the order of the prompts.")


def _reordered(prompts: Prompts, order: NDArray[np.int64]) -> Prompts:
    present = {field.name: getattr(prompts, field.name) for field in fields(prompts)}
    return Prompts(**{name: value[order] for name, value in present.items() if value is not None})


def segmenting_twice_is_the_same(case: Case) -> None:
    """A second call, and a second build, give the same segmentation."""
    sample = toy_sample("cells")
    for prompts in _prompt_sets(case, sample):
        first = _segment(case, sample, prompts)
        _require_same(_segment(case, sample, prompts), first, "called twice")
        _require_same(_segment(case, sample, prompts, segmenter=case.build()), first, "built twice")


def arguments_are_unchanged(case: Case) -> None:
    """Neither ``encode`` nor ``segment`` writes to sample or prompts."""
    for sample in (toy_sample("cells"), toy_sample("tall rgb")):
        for prompts in _prompt_sets(case, sample):
            with unchanged(sample, prompts):
                _segment(case, sample, prompts)


def encode_takes_any_batch(case: Case) -> None:
    """One encoding per image, and images of different sizes in one batch give what they give one by one."""
    samples = toy_samples()
    encodings = encode(case.built, [sample.image for sample in samples])
    for sample, encoding in zip(samples, encodings, strict=True):
        for prompts in _prompt_sets(case, sample)[:1]:
            found = _segment(case, sample, prompts, encoding=encoding)
            _require_alike(found, _segment(case, sample, prompts), f"{sample.id}: batch and single differ")


def encoder_key_is_stable(case: Case) -> None:
    """``encoder_key`` is None or a text that does not change from one build to the next."""
    key, again = case.built.encoder_key, case.build(seed=7).encoder_key
    require(key is None or (isinstance(key, str) and key), f"encoder_key is {key!r}; expected None or a hash.")
    require(key == again, f"encoder_key is {key!r}, then {again!r}.")


def encoder_key_follows_the_weights(case: Case) -> None:
    """Other weights give another ``encoder_key``. Needs ``other_weights``."""
    if not case.other_weights:
        raise unittest.SkipTest("give checks(..., other_weights=) to check that encoder_key follows the weights")
    key, other = case.built.encoder_key, case.build(other_weights=True).encoder_key
    require(key != other, f"encoder_key is {key!r} with other weights too: encodings would be mixed up.")


def pickled_options_segment_alike(case: Case) -> None:
    """A component built from pickled options, as in a worker process, segments alike."""
    options: ComponentOptions = pickle.loads(pickle.dumps(case.options))
    sample = toy_sample("cells")
    prompts = _prompt_sets(case, sample)[0]
    found = _segment(case, sample, prompts, segmenter=case.build(options=options))
    _require_same(found, _segment(case, sample, prompts), "pickled options")


def image_bound_says_what_it_lacks(case: Case) -> None:
    """One that holds segmentations of certain images accepts those, refuses others by DataError, and states a possible time."""
    if not isinstance(case.built, ImageBoundSegmenter):
        return
    case.built.check_images([sample.id for sample in toy_samples()])
    try:
        case.built.check_images(["toy/no such image"])
    except DataError:
        pass
    else:
        raise AssertionError("check_images accepts images none of which it has a segmentation for.")
    seconds = case.built.seconds_per_image
    require(
        seconds is None or (math.isfinite(seconds) and seconds >= 0),
        f"seconds_per_image is {seconds!r}; expected None or a finite number of seconds.",
    )


CHECKS = (
    segmentations_are_valid,
    no_prompts_no_instances,
    prompt_order_does_not_matter,
    segmenting_twice_is_the_same,
    arguments_are_unchanged,
    encode_takes_any_batch,
    encoder_key_is_stable,
    encoder_key_follows_the_weights,
    pickled_options_segment_alike,
    image_bound_says_what_it_lacks,
)
