"""The contract kit: a sound component passes every check, and each check catches the fault that it is for."""

import itertools
import unittest
from dataclasses import replace

import numpy as np
import pytest
from packaging.requirements import InvalidRequirement
from scipy import ndimage

from mitobench.descriptors import PrompterDescriptor, SegmenterDescriptor, WeightsFile
from mitobench.errors import DataError, MissingError, UsageError
from mitobench.interfaces import DataSource, ImageStatistics, Score
from mitobench.masks import PackedMasks, resolve_overlaps
from mitobench.options import ComponentOptions, NoOptions, WeightsRef
from mitobench.plugins import Component, Plugin, Plugins
from mitobench.prompts import Prompts
from mitobench.samples import SampleRef
from mitobench.segmentations import Segmentation
from mitobench.testing import Case, ToySource, checks, toy_prompts, toy_samples
from mitobench.testing.suite import checks_of

ORACLE = PrompterDescriptor(name="o", target="x:Y", summary="s", emits=frozenset({"box"}), uses_reference=True)
PROMPTABLE = SegmenterDescriptor(name="s", target="x:Y", summary="s", accepts=frozenset({"box"}))


class Box:
    """Prompts with the box of each reference object, in random order; sound."""

    encoder_key = None

    def __init__(self, options, context):
        self.context = context

    def encode(self, images):
        return [None] * len(images)

    def prompt(self, encoding, sample, rng):
        if sample.labels is None:
            raise DataError("no labels")
        prompts = toy_prompts(sample, {"box"})
        order = rng.permutation(len(prompts))
        return Prompts(boxes=prompts.boxes[order], targets=prompts.targets[order])


class Fill:
    """Fills each box with what is bright in it; the encoding is the brightness mask; sound."""

    def __init__(self, options, context):
        self.threshold = int(context.weights["t"].read_text()) if context.weights else 120

    @property
    def encoder_key(self):
        return f"bright {self.threshold}"

    def encode(self, images):
        return [(image if image.ndim == 2 else image[..., 0]) > self.threshold for image in images]

    def segment(self, encoding, sample, prompts):
        def crops():
            for x0, y0, x1, y1 in prompts.boxes.astype(int) if prompts.boxes is not None else ():
                yield (y0, x0), encoding[y0 : y1 + 1, x0 : x1 + 1]

        masks = PackedMasks.from_crops(crops(), sample.shape)
        mask_scores = np.full(len(masks), 0.5, np.float32)
        labels, scores = resolve_overlaps(masks, mask_scores)
        return Segmentation(labels=labels, scores=scores, masks=masks, mask_scores=mask_scores)


class Threshold(Fill):
    """Takes no prompts: connected components of what is bright; sound."""

    def segment(self, encoding, sample, prompts):
        labels, count = ndimage.label(encoding)
        return Segmentation(labels=labels.astype(np.int32), scores=np.ones(count, np.float32))


class Dice:
    """Foreground Dice; sound."""

    reported = (Score(name="Dice"),)

    def __init__(self, options, context):
        pass

    def statistics(self, sample, segmentation, prompts):
        kept = np.ones(sample.shape, bool) if sample.ignore is None else ~sample.ignore
        a, b = (sample.labels > 0) & kept, (segmentation.labels > 0) & kept
        return ImageStatistics(image={"both": float((a & b).sum()), "sum": float(a.sum() + b.sum())})

    def scores(self, totals):
        total = np.asarray(totals["sum"])
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"Dice": np.where(total > 0, 2 * np.asarray(totals["both"]) / np.where(total > 0, total, 1), np.nan)}


SOUND = {
    "prompter": {"prompter": Box, "descriptor": ORACLE},
    "segmenter": {"segmenter": Fill, "descriptor": PROMPTABLE},
    "automatic": {"segmenter": Threshold},
    "metric": {"metric": Dice},
    "data": {"data": ToySource},
}


def failing(only=None, **subject):
    """The names of the checks that fail, of all or of the one named."""
    failed = []
    for check in (check for check in checks(**subject) if only in (None, check.name)):
        try:
            check()
        except unittest.SkipTest:
            pass
        except Exception:
            failed.append(check.name)
    return failed


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_component_passes_every_check(kind):
    assert failing(**SOUND[kind]) == []
    assert len(checks(**SOUND[kind])) >= 6


def counting():
    return itertools.count()


class Unseeded(Box):
    def prompt(self, encoding, sample, rng):
        return super().prompt(encoding, sample, np.random.default_rng())


class GlobalState(Box):
    def prompt(self, encoding, sample, rng):
        return super().prompt(encoding, sample, np.random)


class Scribbler(Box):
    def prompt(self, encoding, sample, rng):
        sample.image[:] = 0
        return super().prompt(encoding, sample, rng)


class OffImage(Box):
    def prompt(self, encoding, sample, rng):
        found = super().prompt(encoding, sample, rng)
        return replace(found, boxes=found.boxes + np.float32(30))


class NoTargets(Box):
    def prompt(self, encoding, sample, rng):
        return replace(super().prompt(encoding, sample, rng), targets=None)


class WrongTargets(Box):
    def prompt(self, encoding, sample, rng):
        found = super().prompt(encoding, sample, rng)
        return replace(found, targets=found.targets + 1000)


class FindsNothingSmall(Box):
    def prompt(self, encoding, sample, rng):
        found = super().prompt(encoding, sample, rng)
        large = (np.ptp(found.boxes.reshape(-1, 2, 2), axis=1) > 1).all(axis=1)
        return Prompts(boxes=found.boxes[large], targets=found.targets[large])


class NeedsNoReference(Box):
    def prompt(self, encoding, sample, rng):
        return Prompts() if sample.labels is None else super().prompt(encoding, sample, rng)


class LosesImages(Box):
    encoder_key = "a key"

    def encode(self, images):
        return [None]


class NewKeyEachTime(Box):
    keys = counting()

    def __init__(self, options, context):
        self.encoder_key = f"key {next(self.keys)}"


class ReturnsTuple(Box):
    def prompt(self, encoding, sample, rng):
        return (1, 2)


@pytest.mark.parametrize(
    ("faulty", "caught"),
    [
        (Unseeded, "same_seed_same_prompts"),
        (GlobalState, "global_random_state_is_left_alone"),
        (Scribbler, "sample_is_unchanged"),
        (OffImage, "prompts_are_valid"),
        (NoTargets, "oracle_targets_are_labels"),
        (WrongTargets, "oracle_targets_are_labels"),
        (FindsNothingSmall, "oracle_finds_what_is_there"),
        (NeedsNoReference, "reference_is_used_as_declared"),
        (LosesImages, "encode_takes_any_batch"),
        (NewKeyEachTime, "encoder_key_is_stable"),
        (ReturnsTuple, "prompts_are_valid"),
    ],
)
def test_a_faulty_prompter_is_caught(faulty, caught):
    assert failing(caught, prompter=faulty, descriptor=ORACLE) == [caught]


def test_a_prompter_that_peeks_at_the_reference_without_saying_so_is_caught():
    silent = replace(ORACLE, uses_reference=False)
    assert failing("reference_is_used_as_declared", prompter=Box, descriptor=silent)


class WrongShape(Fill):
    def segment(self, encoding, sample, prompts):
        return Segmentation(labels=np.zeros((3, 3), np.int32), scores=np.zeros(0, np.float32))


class NoMasks(Fill):
    def segment(self, encoding, sample, prompts):
        return replace(super().segment(encoding, sample, prompts), masks=None, mask_scores=None)


class AlwaysFinds(Fill):
    def segment(self, encoding, sample, prompts):
        found = super().segment(encoding, sample, prompts)
        return replace(found, labels=np.ones(sample.shape, np.int32), scores=np.ones(1, np.float32))


class FirstOnly(Fill):
    def segment(self, encoding, sample, prompts):
        found = super().segment(encoding, sample, prompts)
        labels = found.masks.dense(0).astype(np.int32) if len(found.masks) else found.labels * 0
        return replace(found, labels=labels, scores=np.ones(1 if len(found.masks) else 0, np.float32))


class SortsMasks(Fill):
    def segment(self, encoding, sample, prompts):
        found = super().segment(encoding, sample, prompts)
        order = np.argsort(found.masks.boxes[:, 1], kind="stable")
        return replace(
            found, masks=PackedMasks.from_dense((found.masks.dense(int(i)) for i in order), found.masks.shape)
        )


class Restless(Fill):
    calls = counting()

    def segment(self, encoding, sample, prompts):
        return super().segment(np.roll(encoding, next(self.calls) % 7), sample, prompts)


class BatchBound(Fill):
    def encode(self, images):
        return [bright if len(images) == 1 else ~bright for bright in super().encode(images)]


class EatsPrompts(Fill):
    def segment(self, encoding, sample, prompts):
        found = super().segment(encoding, sample, prompts)
        prompts.boxes[:] = 0
        return found


@pytest.mark.parametrize(
    ("faulty", "caught"),
    [
        (WrongShape, "segmentations_are_valid"),
        (NoMasks, "segmentations_are_valid"),
        (AlwaysFinds, "no_prompts_no_instances"),
        (FirstOnly, "prompt_order_does_not_matter"),
        (SortsMasks, "prompt_order_does_not_matter"),
        (Restless, "segmenting_twice_is_the_same"),
        (BatchBound, "encode_takes_any_batch"),
        (EatsPrompts, "arguments_are_unchanged"),
    ],
)
def test_a_faulty_segmenter_is_caught(faulty, caught):
    assert failing(caught, segmenter=faulty, descriptor=PROMPTABLE) == [caught]


class SameKey(Fill):
    encoder_key = "always the same"


@pytest.mark.parametrize(("segmenter", "caught"), [(Fill, False), (SameKey, True)])
def test_an_encoder_key_that_ignores_the_weights_is_caught(tmp_path, segmenter, caught):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("100")
    two.write_text("140")
    found = failing(segmenter=segmenter, descriptor=PROMPTABLE, weights={"t": one}, other_weights={"t": two})
    assert ("encoder_key_follows_the_weights" in found) == caught


class Averages(Dice):
    def statistics(self, sample, segmentation, prompts):
        found = super().statistics(sample, segmentation, prompts).image
        return ImageStatistics(image={**found, "both": found["both"] / found["sum"] if found["sum"] else float("nan")})


class Moody(Dice):
    def statistics(self, sample, segmentation, prompts):
        found = super().statistics(sample, segmentation, prompts).image
        return ImageStatistics(image={**found, f"extra {sample.id}": 1.0})


class UpsideDown(Dice):
    reported = (Score(name="Dice", higher_is_better=False),)


class Unreported(Dice):
    reported = (Score(name="IoU"),)


class ScalarOnly(Dice):
    def scores(self, totals):
        return {"Dice": np.asarray(super().scores({k: np.sum(v) for k, v in totals.items()})["Dice"])}


class Infinite(Dice):
    def scores(self, totals):
        with np.errstate(all="ignore"):
            return {"Dice": 2 * np.asarray(totals["both"] + 1) / np.asarray(totals["sum"])}


class ReadsIds(Dice):
    def statistics(self, sample, segmentation, prompts):
        found = super().statistics(sample, segmentation, prompts).image
        return ImageStatistics(image={**found, "ids": float(sample.labels.sum())})


class LeftHalf(Dice):
    def statistics(self, sample, segmentation, prompts):
        half = np.zeros(sample.shape, bool)
        half[:, sample.shape[1] // 2 :] = True
        return super().statistics(replace(sample, ignore=half), segmentation, prompts)


class Overwrites(Dice):
    def statistics(self, sample, segmentation, prompts):
        found = super().statistics(sample, segmentation, prompts)
        sample.labels[:] = 0
        return found


@pytest.mark.parametrize(
    ("faulty", "caught"),
    [
        (Averages, "statistics_have_stable_names"),
        (Moody, "statistics_have_stable_names"),
        (UpsideDown, "perfect_scores_best"),
        (Unreported, "scores_are_those_reported"),
        (ScalarOnly, "scores_take_any_shape"),
        (Infinite, "both_empty_is_no_crash"),
        (ReadsIds, "relabelling_changes_nothing"),
        (LeftHalf, "flipping_changes_nothing"),
        (Overwrites, "arguments_are_unchanged"),
    ],
)
def test_a_faulty_metric_is_caught(faulty, caught):
    assert failing(caught, metric=faulty) == [caught]


class Twice(ToySource):
    def refs(self):
        yield from super().refs()
        yield from super().refs()


class Reorders(ToySource):
    calls = counting()

    def refs(self):
        found = list(super().refs())
        return iter(found[::-1] if next(self.calls) % 2 else found)


class WrongSample(ToySource):
    def refs(self):
        return (SampleRef(id="other", read=ref.read, group=ref.group, split=ref.split) for ref in super().refs())


class Unpicklable(ToySource):
    def refs(self):
        return (replace(ref, read=lambda ref=ref: ref.read()) for ref in super().refs())


class NewFingerprint(ToySource):
    calls = counting()

    @property
    def fingerprint(self):
        return str(next(self.calls))


class NoOrigin(ToySource):
    def refs(self):
        return (replace(ref, read=lambda ref=ref: replace(ref.read(), origin="")) for ref in super().refs())


@pytest.mark.parametrize(
    ("faulty", "caught"),
    [
        (Twice, "ids_are_unique"),
        (Reorders, "refs_are_stable"),
        (WrongSample, "samples_match_their_refs"),
        (Unpicklable, "refs_survive_pickling"),
        (NewFingerprint, "fingerprint_is_stable"),
        (NoOrigin, "origins_are_known"),
    ],
)
def test_a_faulty_data_source_is_caught(faulty, caught):
    assert failing(caught, data=faulty) == [caught]


class Undescribed(ComponentOptions):
    """An option that says nothing of itself."""

    size: int = 1


def described(descriptor, options=None):
    component = Component(descriptor, Plugin("p", "m", "d", "1"))
    return {check.name: check for check in checks_of(Case("x", component, options or NoOptions()), {})}


@pytest.mark.parametrize(
    ("changes", "caught"),
    [
        ({"target": "no_such_module_here:X"}, "target_resolves"),
        ({"target": "mitobench.testing.toy:Labels.no"}, "target_resolves"),
        ({"options": f"{__name__}:Undescribed"}, "options_are_a_model"),
        ({"options": "mitobench.testing.toy:ToySource"}, "options_are_a_model"),
        ({"options": "mitobench_torch.devices:resolve_device"}, "options_import_nothing_heavy"),
        ({"requires": ("not a requirement!",)}, "requirements_parse"),
        ({"summary": "two\nlines"}, "summary_is_one_line"),
        ({"summary": ""}, "summary_is_one_line"),
        ({"version": 0}, "summary_is_one_line"),
        (
            {"weights": (WeightsFile(name="w", sha256="12", size=1, licence="x", citation="", url="u"),)},
            "weights_are_identified",
        ),
        (
            {"weights": (WeightsFile(name="w", sha256="a" * 64, size=1, licence="x", citation=""),)},
            "weights_are_identified",
        ),
    ],
)
def test_a_faulty_descriptor_is_caught(changes, caught):
    sound = PrompterDescriptor(name="p", target="mitobench.testing.toy:ToySource", summary="s")
    described(sound)[caught]()
    with pytest.raises((AssertionError, InvalidRequirement, MissingError)):
        described(replace(sound, **changes))[caught]()


def test_options_that_emit_what_the_descriptor_does_not_are_caught():
    class Emits(ComponentOptions):
        def emits(self):
            return frozenset({"mask"})

    with pytest.raises(AssertionError, match="mask"):
        described(ORACLE, Emits())["emits_is_consistent"]()


def test_an_expected_failure_is_skipped_with_its_reason_and_may_not_pass():
    reason = {"prompts_are_valid": "issue 7", "encoder_key_is_stable": "never seen"}
    by_name = {c.name: c for c in checks(prompter=OffImage, descriptor=ORACLE, expected_failures=reason)}
    with pytest.raises(unittest.SkipTest, match="issue 7"):
        by_name["prompts_are_valid"]()
    with pytest.raises(AssertionError, match=r"never seen.*Remove it"):
        by_name["encoder_key_is_stable"]()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "expected one of"),
        ({"prompter": Box, "metric": Dice}, "expected one of"),
        ({"prompt": Box}, "expected one of"),
        ({"metric": Dice, "expected_failures": {"no_such_check": "x"}}, "no_such_check; the checks are"),
        ({"prompter": "gt-bx"}, "Did you mean"),
        ({"prompter": "gt-box:jiter=3"}, "Did you mean 'jitter'"),
        ({"reporter": Dice}, "descriptor="),
    ],
)
def test_checks_of_nothing_that_exists_are_a_usage_error(given, said):
    with pytest.raises(UsageError, match=said):
        checks(**given)


def test_checks_are_named_by_spec_and_check():
    assert str(checks(prompter="gt-box:jitter=3")[0]) == "gt-box:jitter=3-target_resolves"
    assert str(checks(metric=Dice)[0]) == "Dice-statistics_have_stable_names"


def test_missing_weights_are_a_reason_not_a_failure(tmp_path, monkeypatch):
    class Asking(ComponentOptions):
        def weights(self):
            return (WeightsRef(path=tmp_path / "absent"),)

    component = Component(PROMPTABLE, Plugin("p", "m", "d", "1"))
    case = Case("x", component, Asking(), Fill, plugins=Plugins([]))
    assert "no such weights file" in case.unavailable()
    with pytest.raises(MissingError):
        case.build()
    needy = Component(replace(PROMPTABLE, requires=("no-such-distribution",)), Plugin("p", "m", "d", "1"))
    assert "no-such-distribution" in Case("x", needy, NoOptions(), Fill).unavailable()
    assert Case("x", component, NoOptions(), Fill).unavailable() == ""


def test_toy_samples_hold_what_trips_components_up():
    samples = {sample.id: sample for sample in toy_samples()}
    assert {s.image.ndim for s in samples.values()} == {2, 3}
    assert min(min(s.shape) for s in samples.values()) == 1
    assert any(not s.labels.any() for s in samples.values())
    assert any((s.labels > 0).all() for s in samples.values())
    assert any(s.ignore is not None for s in samples.values())
    assert isinstance(ToySource(), DataSource)
    assert [ref.load().id for ref in ToySource().refs()] == list(samples)


def test_toy_prompts_lie_on_their_objects():
    for sample in toy_samples():
        prompts = toy_prompts(sample, {"box", "point", "mask"})
        prompts.check_inside(sample.shape)
        for target, (x, y) in zip(prompts.targets, prompts.points[:, 0].astype(int), strict=True):
            assert sample.labels[y, x] == target
    with pytest.raises(ValueError, match="no reference"):
        toy_prompts(sample.without_reference(), {"box"})
