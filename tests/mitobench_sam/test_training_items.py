"""What one step of a SAM's training learns from: which images, which of their objects, and the prompts for them."""

from collections import Counter

import numpy as np
import pytest

from mitobench.samples import Sample, SampleRef
from mitobench_sam.trainer_options import FineTuneOptions
from mitobench_sam.training_images import TrainingImages
from mitobench_sam.training_items import StepItems, union_options

SIDE = 64


def refs(count):
    def sample(index):
        labels = np.zeros((32, 64), np.int32)
        labels[4:14, 6 + index : 20] = 1
        labels[18:28, 40:52] = 2
        image = np.random.default_rng(index).integers(0, 256, labels.shape, dtype=np.uint8)
        return Sample(id=f"s{index}", image=image, labels=labels, group="g")

    return [SampleRef(id=f"s{index}", group="g", read=lambda index=index: sample(index)) for index in range(count)]


def steps(count=5, seed=0, **options):
    made = FineTuneOptions(**options)
    return StepItems(TrainingImages(refs(count), 1, seed), made, seed, SIDE)


def test_every_image_is_seen_once_in_an_epoch():
    drawn = steps(batch=2)
    assert drawn.steps_per_epoch == 3
    for epoch in range(3):
        seen = [item.sample.id for step in range(3 * epoch, 3 * epoch + 3) for item in drawn.of(step)]
        assert sorted(seen) == ["s0", "s1", "s2", "s3", "s4"]


def test_a_step_is_the_same_however_it_is_reached():
    one, other = (
        steps(prompt="mixed", box_jitter=0.1, union_share=0.5),
        steps(prompt="mixed", box_jitter=0.1, union_share=0.5),
    )
    other.of(3)
    for step in (7, 2):
        for a, b in zip(one.of(step), other.of(step), strict=True):
            assert a.sample.id == b.sample.id
            assert np.array_equal(a.targets.masks, b.targets.masks)
            assert str(a.prompts) == str(b.prompts)


def test_the_share_of_steps_has_all_objects_as_one_target_and_the_others_stay_as_they_were():
    plain, mixed = steps(prompt="point"), steps(prompt="point", union_share=0.3)
    together = Counter()
    for step in range(400):
        for before, item in zip(plain.of(step), mixed.of(step), strict=True):
            assert before.sample.id == item.sample.id
            union = len(item.targets.masks) == 1
            together[union] += 1
            if union:
                assert np.array_equal(item.targets.masks[0], item.sample.labels > 0)
                assert item.prompts.boxes is not None
            else:
                assert np.array_equal(before.targets.masks, item.targets.masks)
                assert str(before.prompts) == str(item.prompts)
    assert together[True] / together.total() == pytest.approx(0.3, abs=0.07)


def test_a_union_box_is_loose_to_the_outside_by_less_than_20_of_256_pixels():
    drawn, beyond = steps(1, prompt="box", box_jitter=0.5, box_enlarge=0.5, union_share=0.99, batch=1), []
    for step in range(200):
        (item,) = drawn.of(step)
        if len(item.targets.masks) == 1:
            box = item.prompts.boxes[0].numpy()
            beyond.append(np.array([6, 4, 51, 27]) - box)
    beyond = np.array(beyond) * [1, 1, -1, -1]
    assert beyond.min() == 0
    assert beyond.max() == 4  # of 64 pixels: whole numbers below 20 / 256 of them


def test_the_margin_of_a_union_box_follows_the_larger_side_of_the_image():
    assert union_options(FineTuneOptions(box_jitter=0.2), (256, 200)).box_margin == 20
    assert union_options(FineTuneOptions(), (100, 512)).box_margin == 40
    assert union_options(FineTuneOptions(), (8, 8)).box_margin == 1
