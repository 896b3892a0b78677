"""What every metric must do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import ImageStatistics, Score
from mitobench.masks import PackedMasks
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.seeds import derive_rng
from mitobench.segmentations import Segmentation
from mitobench.testing.case import Case, require
from mitobench.testing.toy import toy_prompts, toy_sample, toy_samples
from mitobench.testing.unchanged import unchanged

__all__ = ["CHECKS"]

Labels = NDArray[np.int32]
Totals = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class _Scored:
    """A sample, what was predicted for it, and the prompts that it was predicted from."""

    sample: Sample
    segmentation: Segmentation
    prompts: Prompts


def _scored(sample: Sample, predict: Callable[[Labels], Labels]) -> _Scored:
    """What a segmenter gives whose label image is ``predict(reference)`` and whose masks are that image's objects."""
    if sample.labels is None:
        raise ValueError(f"sample {sample.id!r} has no reference.")
    predicted = predict(sample.labels.copy())
    ids, dense = np.unique(predicted, return_inverse=True)
    labels = (dense.reshape(predicted.shape) + int(ids[0] != 0)).astype(np.int32)
    prompts = toy_prompts(sample, {"box"})
    targets = prompts.targets if prompts.targets is not None else np.zeros(0, np.int64)
    return _Scored(
        sample,
        Segmentation(
            labels=labels,
            scores=np.full(int(labels.max()), 0.9, np.float32),
            masks=PackedMasks.from_labels(predicted, targets.tolist()),
            mask_scores=np.full(len(prompts), 0.9, np.float32),
        ),
        prompts,
    )


def _statistics(metric: Any, scored: _Scored) -> ImageStatistics | None:
    found = metric.statistics(scored.sample, scored.segmentation, scored.prompts)
    require(
        found is None or isinstance(found, ImageStatistics),
        f"statistics returned {type(found).__name__}; expected ImageStatistics or None.",
    )
    return found  # type: ignore[no-any-return]


def _sum(metric: Any, predicted: Sequence[_Scored]) -> Totals:
    found = [statistics for scored in predicted if (statistics := _statistics(metric, scored)) is not None]
    require(found, "no toy sample can be measured.")
    return {name: np.asarray(sum(s.image[name] for s in found), np.float64) for name in found[0].image}


def _perfect(labels: Labels) -> Labels:
    return labels


def _nothing(labels: Labels) -> Labels:
    return np.zeros_like(labels)


def _shifted(labels: Labels) -> Labels:
    return np.roll(labels, (2, 3), axis=(0, 1))


def _merged(labels: Labels) -> Labels:
    return (labels > 0).astype(np.int32)


_PREDICTIONS = (_perfect, _nothing, _shifted, _merged)


def statistics_have_stable_names(case: Case) -> None:
    """Each image gives the same finite statistics, and object columns of one length."""
    names: set[tuple[str, ...]] = set()
    for sample in toy_samples():
        for predict in _PREDICTIONS:
            found = _statistics(case.built, _scored(sample, predict))
            if found is None:
                continue
            names.add(tuple(sorted(found.image)))
            wrong = {name: value for name, value in found.image.items() if not np.isfinite(value)}
            require(not wrong, f"{sample.id}: statistics {wrong} are not finite.")
            lengths = {name: len(column) for name, column in found.objects.items()}
            require(len(set(lengths.values())) <= 1, f"{sample.id}: object columns of lengths {lengths}.")
    require(len(names) == 1, f"statistics come under {len(names)} different sets of names.")


def scores_are_those_reported(case: Case) -> None:
    """``scores`` returns exactly the reported scores, each named once."""
    reported: Sequence[Score] = case.built.reported
    names = [score.name for score in reported]
    require(names and len(set(names)) == len(names), f"reported scores are {names}; expected distinct names.")
    found = case.built.scores(_sum(case.built, [_scored(toy_sample("cells"), _perfect)]))
    require(list(found) == names, f"scores are {list(found)}; reported are {names}.")


def perfect_scores_best(case: Case) -> None:
    """No other prediction beats the reference itself, nor has a score that the reference itself has not."""
    samples = toy_samples()
    best, *others = [
        case.built.scores(_sum(case.built, [_scored(sample, predict) for sample in samples]))
        for predict in _PREDICTIONS
    ]
    require(any(np.isfinite(float(v)) for v in best.values()), "every score of the reference itself is undefined.")
    for score in case.built.reported:
        value = float(best[score.name])
        for predict, other in zip(_PREDICTIONS[1:], others, strict=True):
            difference = (float(other[score.name]) - value) * (1 if score.higher_is_better else -1)
            undefined = np.isnan(float(other[score.name]))
            require(
                undefined or difference <= 1e-9,
                f"{score.name} is {value} for the reference itself and {float(other[score.name])} for {predict.__name__[1:]}.",
            )


def both_empty_is_no_crash(case: Case) -> None:
    """An image without objects, reference or predicted, is measured; its scores are numbers or NaN, never infinite."""
    empty = _scored(toy_sample("empty"), _perfect)
    found = _statistics(case.built, empty)
    if found is None:
        return
    with np.errstate(all="raise"):
        scores = case.built.scores({name: np.asarray(value, np.float64) for name, value in found.image.items()})
    infinite = [name for name, value in scores.items() if np.isinf(value).any()]
    require(not infinite, f"{infinite} are infinite where both are empty; expected NaN or a number.")


def relabelling_changes_nothing(case: Case) -> None:
    """Other ids for the same objects, in reference and prediction, give the same statistics."""
    for name in ("cells", "ignored corner"):
        before = _scored(toy_sample(name), _shifted)
        _require_equal(case, before, _relabelled(before), f"{before.sample.id}: other ids")


def flipping_changes_nothing(case: Case) -> None:
    """Image, reference, prediction and prompts mirrored together give the same statistics."""
    for name in ("cells", "tall rgb", "ignored corner"):
        before = _scored(toy_sample(name), _shifted)
        _require_equal(case, before, _flipped(before), f"{before.sample.id}: mirrored")


def _require_equal(case: Case, one: _Scored, other: _Scored, why: str) -> None:
    a, b = _statistics(case.built, one), _statistics(case.built, other)
    if a is None or b is None:
        require(a is b, f"{why}: measured once, not measured once.")
        return
    changed = {k: (v, b.image[k]) for k, v in a.image.items() if not np.isclose(v, b.image[k], rtol=1e-6, atol=1e-9)}
    require(not changed, f"{why} change {changed}.")


def _relabelled(scored: _Scored) -> _Scored:
    sample, segmentation, prompts = scored.sample, scored.segmentation, scored.prompts
    labels: Any = sample.labels
    ids = np.unique(labels[labels > 0])
    renamed = dict(zip(ids.tolist(), (ids[::-1] * 3 + 11).tolist(), strict=True))
    rename = np.vectorize(lambda label: renamed.get(int(label), 0), otypes=[np.int64])
    order = derive_rng(0, "relabel").permutation(segmentation.scores.size)
    lookup = np.concatenate([[0], order + 1]).astype(np.int32)
    scores = np.empty_like(segmentation.scores)
    scores[order] = segmentation.scores
    targets = prompts.targets if prompts.targets is not None else np.zeros(0, np.int64)
    return _Scored(
        replace(sample, labels=rename(labels).astype(np.int32)),
        replace(segmentation, labels=lookup[segmentation.labels], scores=scores),
        replace(prompts, targets=np.array([renamed[int(t)] for t in targets], np.int64)),
    )


def _flipped(scored: _Scored) -> _Scored:
    sample, segmentation, prompts = scored.sample, scored.segmentation, scored.prompts
    height, width = sample.shape
    masks, boxes = segmentation.masks, prompts.boxes
    edge = np.array([width - 1, height - 1, width - 1, height - 1], np.float32)
    return _Scored(
        replace(
            sample,
            image=sample.image[::-1, ::-1].copy(),
            labels=None if sample.labels is None else sample.labels[::-1, ::-1].copy(),
            ignore=None if sample.ignore is None else sample.ignore[::-1, ::-1].copy(),
        ),
        replace(
            segmentation,
            labels=segmentation.labels[::-1, ::-1].copy(),
            masks=None
            if masks is None
            else PackedMasks.from_dense((masks.dense(i)[::-1, ::-1] for i in range(len(masks))), masks.shape),
        ),
        replace(prompts, boxes=None if boxes is None else (edge - boxes)[:, [2, 3, 0, 1]]),
    )


def arguments_are_unchanged(case: Case) -> None:
    """``statistics`` writes to none of its arguments."""
    for sample in (toy_sample("cells"), toy_sample("ignored corner")):
        scored = _scored(sample, _shifted)
        with unchanged(scored.sample, scored.segmentation, scored.prompts):
            _statistics(case.built, scored)


def scores_take_any_shape(case: Case) -> None:
    """``scores`` of a table of sums are the scores of each of its entries."""
    samples = toy_samples()
    sums = [_sum(case.built, [_scored(sample, predict) for sample in samples]) for predict in _PREDICTIONS]
    sums += [{name: 2 * value for name, value in sums[0].items()}, {n: 0 * v for n, v in sums[0].items()}]
    singly = [case.built.scores(total) for total in sums]
    for shape in ((6,), (2, 3)):
        table = {name: np.array([total[name] for total in sums]).reshape(shape) for name in sums[0]}
        for name, values in case.built.scores(table).items():
            require(np.shape(values) == shape, f"{name} has shape {np.shape(values)} for sums of shape {shape}.")
            expected = np.array([scores[name] for scores in singly], np.float64).reshape(shape)
            require(np.allclose(values, expected, equal_nan=True), f"{name} of a table differs from its entries.")


CHECKS = (
    statistics_have_stable_names,
    scores_are_those_reported,
    perfect_scores_best,
    both_empty_is_no_crash,
    relabelling_changes_nothing,
    flipping_changes_nothing,
    arguments_are_unchanged,
    scores_take_any_shape,
)
