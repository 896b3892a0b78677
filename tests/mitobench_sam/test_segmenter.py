"""``sam`` against the official predictor, and as the interface wants it."""

from functools import partial

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor

from mitobench.errors import ContractError, DeviceMemoryError, MissingError
from mitobench.interfaces import BuildContext, Segmenter
from mitobench.masks import resolve_overlaps
from mitobench.prompts import Prompts, mask_logits
from mitobench_sam import segmenter as segmenter_module
from mitobench_sam.mask_decoder import decode
from mitobench_sam.options import SamOptions
from mitobench_sam.segmenter import SamSegmenter

SHAPES = [(256, 256), (192, 256), (256, 131), (300, 470), (61, 90, 3)]
SCORE_TOLERANCE = 2e-5
PIXEL_TOLERANCE = 2e-4


def some_prompts(shape, kinds, seed=0, count=5, points=3):
    rng = np.random.default_rng(seed)
    size = np.array([shape[1], shape[0]])
    given = {}
    if "box" in kinds:
        corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1) * (size - 1)
        given["boxes"] = corners.reshape(count, 4).astype(np.float32)
    if "point" in kinds:
        given["points"] = (rng.uniform(0, 1, (count, points, 2)) * (size - 1)).astype(np.float32)
        given["point_labels"] = (
            np.r_[[1] * count, rng.integers(0, 2, count * (points - 1))].reshape(points, count).T.astype(np.int8)
        )
    if "mask" in kinds:
        blobs = [
            np.hypot(*(np.indices(shape[:2]) - rng.uniform(0, 1, 2)[:, None, None] * size[1])) < 30
            for _ in range(count)
        ]
        given["masks"] = np.stack([mask_logits(blob) for blob in blobs])
    return Prompts(**given)


def predicted(predictor, prompts, index, *, multimask, mask=None):
    """The mask and score of one prompt as the official predictor's user gets them."""
    masks, scores, _ = predictor.predict(
        point_coords=None if prompts.points is None else prompts.points[index],
        point_labels=None if prompts.points is None else prompts.point_labels[index],
        box=None if prompts.boxes is None else prompts.boxes[index],
        mask_input=mask,
        multimask_output=multimask,
    )
    best = int(np.argmax(scores))
    return masks[best], float(scores[best])


def as_rgb(image):
    return image if image.ndim == 3 else np.stack([image] * 3, axis=-1)


def run(segmenter, sample, prompts):
    return segmenter.segment(segmenter.encode([sample.image])[0], sample, prompts)


def reordered(prompts, order):
    fields = ("boxes", "points", "point_labels", "masks")
    return Prompts(**{n: getattr(prompts, n)[order] for n in fields if getattr(prompts, n) is not None})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kinds", [("box",), ("point",), ("box", "point")], ids="+".join)
@pytest.mark.parametrize("multimask", ["best", "single"])
def test_masks_and_scores_are_the_official_predictors(official, tiny_path, sam, sample, shape, kinds, multimask):
    picture = sample(shape)
    prompts = some_prompts(shape, kinds)
    found = run(sam(tiny_path, multimask=multimask), picture, prompts)
    predictor = SamPredictor(official)
    predictor.set_image(as_rgb(picture.image))
    for index in range(len(prompts)):
        mask, score = predicted(predictor, prompts, index, multimask=multimask == "best")
        assert found.mask_scores[index] == pytest.approx(np.clip(score, 0, 1), abs=SCORE_TOLERANCE)
        assert np.mean(found.masks.dense(index) != mask) < PIXEL_TOLERANCE


def test_the_compared_masks_are_neither_empty_nor_full(tiny_path, sam, sample):
    found = run(sam(tiny_path), sample((192, 256)), some_prompts((192, 256), ("box", "point")))
    cover = found.masks.areas() / (192 * 256)
    assert np.all((cover > 0.05) & (cover < 0.95))
    assert len(set(found.masks.areas())) > 1


@pytest.mark.parametrize("kinds", [("mask",), ("mask", "box"), ("mask", "point", "box")], ids="+".join)
@pytest.mark.parametrize("multimask", ["best", "single"])
def test_mask_prompts_are_the_official_predictors(official_1024, tiny_1024_path, sam, sample, kinds, multimask):
    picture = sample((180, 240))
    prompts = some_prompts((180, 240), kinds, count=2)
    found = run(sam(tiny_1024_path, multimask=multimask), picture, prompts)
    predictor = SamPredictor(official_1024)
    predictor.set_image(as_rgb(picture.image))
    for index in range(len(prompts)):
        mask, score = predicted(
            predictor, prompts, index, multimask=multimask == "best", mask=prompts.masks[index][None]
        )
        assert found.mask_scores[index] == pytest.approx(np.clip(score, 0, 1), abs=SCORE_TOLERANCE)
        assert np.mean(found.masks.dense(index) != mask) < PIXEL_TOLERANCE


def test_padding_points_are_treated_as_the_official_predictor_treats_label_minus_one(official, tiny_path, sam, sample):
    picture = sample((200, 256))
    prompts = some_prompts((200, 256), ("point",), count=3)
    prompts.point_labels[1, 2] = prompts.point_labels[2, 1] = -1
    found = run(sam(tiny_path), picture, prompts)
    predictor = SamPredictor(official)
    predictor.set_image(as_rgb(picture.image))
    for index in range(3):
        mask, score = predicted(predictor, prompts, index, multimask=True)
        assert found.mask_scores[index] == pytest.approx(np.clip(score, 0, 1), abs=SCORE_TOLERANCE)
        assert np.mean(found.masks.dense(index) != mask) < PIXEL_TOLERANCE


def test_a_threshold_is_compared_with_the_upscaled_logits(official, tiny_path, sam, sample):
    picture = sample((150, 256))
    prompts = some_prompts((150, 256), ("box",), count=2)
    found = run(sam(tiny_path, threshold=0.75, multimask="single"), picture, prompts)
    predictor = SamPredictor(official)
    predictor.set_image(as_rgb(picture.image))
    for index in range(2):
        logits = predictor.predict(box=prompts.boxes[index], multimask_output=False, return_logits=True)[0][0]
        assert np.mean(found.masks.dense(index) != (logits > 0.75)) < PIXEL_TOLERANCE


def test_auto_takes_three_masks_for_a_lone_point_and_one_otherwise(tiny_path, sam, sample):
    picture = sample((256, 256))
    lone = some_prompts((256, 256), ("point",), points=1)
    several = some_prompts((256, 256), ("point",), points=3)
    for prompts, same in ((lone, "best"), (several, "single"), (some_prompts((256, 256), ("box",)), "single")):
        found = run(sam(tiny_path, multimask="auto"), picture, prompts)
        expected = run(sam(tiny_path, multimask=same), picture, prompts)
        other = run(sam(tiny_path, multimask="best" if same == "single" else "single"), picture, prompts)
        np.testing.assert_array_equal(found.mask_scores, expected.mask_scores)
        assert not np.array_equal(found.mask_scores, other.mask_scores)


@pytest.mark.parametrize("kinds", [("box",), ("point",), ("mask", "box")], ids="+".join)
def test_the_order_of_the_prompts_changes_nothing_but_the_order_of_their_masks(tiny_path, sam, sample, kinds):
    picture = sample((180, 256))
    prompts = some_prompts((180, 256), kinds, count=7)
    segmenter = sam(tiny_path, batch=3)
    first = run(segmenter, picture, prompts)
    order = np.random.default_rng(1).permutation(7)
    second = run(segmenter, picture, reordered(prompts, order))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(first.mask_scores[order], second.mask_scores)
    for new, old in enumerate(order):
        np.testing.assert_array_equal(first.masks.dense(old), second.masks.dense(new))


def test_a_repeated_prompt_gets_the_same_mask_and_one_instance(tiny_path, sam, sample):
    picture = sample((256, 256))
    prompts = some_prompts((256, 256), ("box",), count=2)
    segmenter = sam(tiny_path)
    once, twice = run(segmenter, picture, prompts), run(segmenter, picture, reordered(prompts, [0, 1, 0, 1]))
    np.testing.assert_array_equal(once.labels, twice.labels)
    np.testing.assert_array_equal(twice.mask_scores[:2], twice.mask_scores[2:])
    np.testing.assert_array_equal(twice.masks.dense(0), twice.masks.dense(2))


def test_the_batch_size_is_no_part_of_the_result(tiny_path, sam, sample):
    picture = sample((256, 200))
    prompts = some_prompts((256, 200), ("box", "point"), count=7)
    one, many = (run(sam(tiny_path, batch=size), picture, prompts) for size in (1, 64))
    np.testing.assert_allclose(one.mask_scores, many.mask_scores, atol=1e-5)
    for index in range(7):
        assert np.mean(one.masks.dense(index) != many.masks.dense(index)) < PIXEL_TOLERANCE
    identities = [SamOptions(batch=size).identity() for size in (1, 64)]
    assert identities[0] == identities[1]


def test_running_out_of_memory_takes_fewer_prompts_at_a_time(tiny_path, sam, sample, monkeypatch):
    picture, prompts = sample((128, 256)), some_prompts((128, 256), ("box",), count=7)
    expected = run(sam(tiny_path, batch=1), picture, prompts)
    sizes = []

    def scarce(decoder, side, sparse, choose, limit=2):
        sizes.append(len(sparse))
        if len(sparse) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much.")
        return decode(decoder, side, sparse, choose)

    monkeypatch.setattr(segmenter_module, "decode", scarce)
    found = run(sam(tiny_path, batch=64), picture, prompts)
    assert sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(found.mask_scores, expected.mask_scores, atol=1e-5)
    monkeypatch.setattr(segmenter_module, "decode", partial(scarce, limit=0))
    with pytest.raises(DeviceMemoryError):
        run(sam(tiny_path), picture, prompts)


def test_an_encoding_does_not_depend_on_the_images_beside_it(tiny_path, sam, sample):
    segmenter = sam(tiny_path)
    images = [sample((100, 256)).image, sample((256, 80, 3), 1).image, sample((64, 64), 2).image]
    together = segmenter.encode(images)
    for image, encoding in zip(images, together, strict=True):
        alone = segmenter.encode([image])[0]
        assert torch.equal(alone.embedding, encoding.embedding)
        assert alone.frame == encoding.frame


def test_grey_and_equal_rgb_are_the_same_image(tiny_path, sam, sample):
    segmenter, image = sam(tiny_path), sample((90, 256)).image
    grey, colour = segmenter.encode([image, as_rgb(image)])
    assert torch.equal(grey.embedding, colour.embedding)


def test_the_result_is_the_same_on_every_run(tiny_path, sam, sample):
    picture, prompts = sample((256, 256)), some_prompts((256, 256), ("box",))
    first, second = (run(sam(tiny_path), picture, prompts) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.mask_scores, second.mask_scores)


def test_no_prompts_give_an_empty_segmentation(tiny_path, sam, sample):
    found = run(sam(tiny_path), sample((40, 60)), Prompts(boxes=np.zeros((0, 4), np.float32)))
    assert found.labels.shape == (40, 60)
    assert not found.labels.any()
    assert len(found.masks) == found.scores.size == found.mask_scores.size == 0


def test_filters_act_on_the_label_image_and_keep_every_prompts_mask(tiny_path, sam, sample):
    picture, prompts = sample((256, 256)), some_prompts((256, 256), ("box",), count=6)
    plain = run(sam(tiny_path), picture, prompts)
    middle = float(np.median(plain.mask_scores))
    areas = plain.masks.areas()
    for option, kept in (
        ({"min_score": middle}, plain.mask_scores >= middle),
        ({"min_area": int(np.median(areas))}, areas >= int(np.median(areas))),
    ):
        found = run(sam(tiny_path, **option), picture, prompts)
        assert 0 < kept.sum() < 6
        np.testing.assert_array_equal(found.mask_scores, plain.mask_scores)
        np.testing.assert_array_equal(found.masks.bits, plain.masks.bits)
        np.testing.assert_array_equal(found.labels, resolve_overlaps(plain.masks, plain.mask_scores, kept)[0])


def test_masks_end_at_their_boxes_where_that_is_asked_for(tiny_path, sam, sample):
    drawn = sample((192, 256))
    prompts = some_prompts((192, 256), ["box"])
    free, cut = sam(tiny_path, multimask="single"), sam(tiny_path, multimask="single", within_box=True)
    encoding = free.encode([drawn.image])[0]
    y, x = np.indices((192, 256))
    before, after = (one.segment(encoding, drawn, prompts).masks for one in (free, cut))
    for index, (x0, y0, x1, y1) in enumerate(prompts.boxes):
        inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        assert np.array_equal(after.dense(index), before.dense(index) & inside)
    assert (after.areas() < before.areas()).any()


def test_unstable_masks_leave_the_label_image(tiny_path, sam, sample):
    picture, prompts = sample((256, 256)), some_prompts((256, 256), ("box",), count=4)
    found = run(sam(tiny_path, min_stability=1.0), picture, prompts)
    assert not found.labels.any()
    assert found.masks.areas().all()


def test_suppression_at_zero_leaves_disjoint_masks_whole(tiny_path, sam, sample):
    picture, prompts = sample((256, 256)), some_prompts((256, 256), ("box",), count=6)
    found = run(sam(tiny_path, nms=0.0), picture, prompts)
    areas = sorted(found.masks.areas())
    sizes = np.bincount(found.labels.ravel())[1:]
    assert sizes.size == found.scores.size >= 1
    assert all(size in areas for size in sizes)


def test_an_encoding_of_another_image_is_refused(tiny_path, sam, sample):
    segmenter = sam(tiny_path)
    encoding = segmenter.encode([sample((64, 80)).image])[0]
    with pytest.raises(ContractError, match=r"\(80, 64\).*\(64, 80\)"):
        segmenter.segment(encoding, sample((80, 64)), some_prompts((80, 64), ("box",)))


def test_prompts_that_say_nothing_are_refused(tiny_path, sam, sample):
    with pytest.raises(ContractError, match="boxes, points or masks"):
        run(sam(tiny_path), sample((64, 64)), Prompts(scores=np.ones(2, np.float32)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5000, 2)], ids=str)
def test_images_of_any_proportion_can_be_segmented(tiny_path, sam, sample, shape):
    found = run(
        sam(tiny_path), sample(shape), Prompts(boxes=np.array([[0, 0, shape[1] - 1, shape[0] - 1]], np.float32))
    )
    assert found.labels.shape == shape
    assert found.mask_scores.shape == (1,)


def test_bf16_is_another_numeric_mode_with_its_own_identity(tiny_path, sam, sample):
    picture, prompts = sample((256, 256)), some_prompts((256, 256), ("box",))
    exact, rough = sam(tiny_path), sam(tiny_path, precision="bf16")
    assert exact.encoder_key != rough.encoder_key
    first, second = run(exact, picture, prompts), run(rough, picture, prompts)
    np.testing.assert_allclose(first.mask_scores, second.mask_scores, atol=0.1)
    differing = [np.mean(first.masks.dense(i) != second.masks.dense(i)) for i in range(5)]
    assert 0 < max(differing) < 0.1
    assert rough.encode([picture.image])[0].embedding.dtype == torch.bfloat16
    assert SamOptions(precision="bf16").identity() != SamOptions().identity()


def test_it_is_a_segmenter(tiny_path, sam):
    assert isinstance(sam(tiny_path), Segmenter)


def test_absent_weights_are_named(tmp_path):
    with pytest.raises(MissingError, match="'weights'"):
        SamSegmenter(SamOptions(), BuildContext())


def test_a_missing_device_is_an_error(tiny_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(MissingError, match="cuda"):
        SamSegmenter(SamOptions(checkpoint=tiny_path), BuildContext(device="cuda", weights={"weights": tiny_path}))


def test_scores_stay_within_zero_and_one_whatever_the_network_says(official, tmp_path, sam, sample):
    state = {key: value.clone() for key, value in official.state_dict().items()}
    state["mask_decoder.iou_prediction_head.layers.2.bias"] += 7.0
    from mitobench.checkpoints import Card, read_card, write_checkpoint
    from mitobench_sam.architecture import Architecture

    card = Card(
        component="sam",
        architecture=Architecture(embed_dim=48, depth=2, heads=3, global_blocks=(1,), window=5, image_size=256).plain(),
    )
    path = tmp_path / "sure.safetensors"
    write_checkpoint(path, {key: value.numpy() for key, value in state.items()}, card)
    assert read_card(path) == card
    found = run(sam(path), sample((256, 256)), some_prompts((256, 256), ("box",)))
    np.testing.assert_array_equal(found.mask_scores, 1)
