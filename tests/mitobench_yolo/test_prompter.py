"""The prompter finds objects that it has not seen, keeps the contract, and never drops a box silently."""

import numpy as np
import pytest

import mitobench_yolo
from mitobench.errors import MissingError, MitobenchError
from mitobench.interfaces import BuildContext, Prompter
from mitobench.testing import checks
from mitobench_yolo.boxes import reference_boxes, to_edges
from mitobench_yolo.matching import match
from mitobench_yolo.options import ROLE, PrompterOptions
from mitobench_yolo.prompter import YoloPrompter

RNG = np.random.default_rng(0)


def prompter(path, **options) -> YoloPrompter:
    return YoloPrompter(PrompterOptions(checkpoint=path, **options), BuildContext(weights={ROLE: path}))


def prompts_of(component, sample):
    (encoding,) = component.encode([sample.image])
    return component.prompt(encoding, sample.without_reference(), RNG)


def test_it_keeps_the_contract_of_every_prompter(learned, random_weights):
    for check in checks(
        prompter=YoloPrompter,
        options=PrompterOptions(checkpoint=learned),
        descriptor=mitobench_yolo.mitobench_prompters()[0],
        weights={ROLE: learned},
        other_weights={ROLE: random_weights},
    ):
        check()


def test_it_is_what_the_interface_asks_for(random_weights):
    assert isinstance(prompter(random_weights), Prompter)


def test_unseen_discs_are_found_with_their_boxes(learned, discs):
    component, found, real, right = prompter(learned), 0, 0, 0
    for number in range(200, 212):
        sample = discs(number)
        prompts = prompts_of(component, sample)
        objects = reference_boxes(sample.labels)
        right += int((match(objects, to_edges(prompts.boxes), prompts.scores, 0.5) >= 0).sum())
        found, real = found + len(prompts), real + len(objects)
    assert 2 * right / (found + real) > 0.85


def test_colour_and_grey_go_through_and_any_shape_gives_boxes_inside(learned, discs):
    component = prompter(learned, confidence=0.001)
    for shape in ((64, 64), (1, 1), (3, 200), (130, 50)):
        for colour in (False, True):
            sample = discs(7, shape, colour=colour)
            prompts = prompts_of(component, sample)
            prompts.check_inside(shape)
            assert prompts.kinds == {"box"}
            assert np.all(np.diff(prompts.scores) <= 0)


def test_a_higher_confidence_keeps_the_first_of_the_same_boxes(learned, discs):
    sample = discs(201)
    many = prompts_of(prompter(learned, confidence=0.001), sample)
    assert len(many) > 3
    between = float(many.scores[1:3].mean())
    few = prompts_of(prompter(learned, confidence=between), sample)
    np.testing.assert_array_equal(few.boxes, many.boxes[:2])
    np.testing.assert_array_equal(few.scores, many.scores[:2])


def test_a_lower_iou_suppresses_more(learned, discs):
    sample = discs(202)
    strict, loose = (prompts_of(prompter(learned, confidence=0.001, iou=iou), sample) for iou in (0.1, 0.9))
    assert 0 < len(strict) < len(loose)


def test_confidence_and_iou_share_one_encoding_but_sizes_and_tiles_and_weights_do_not(learned, random_weights):
    same = [
        {},
        {"confidence": 0.7},
        {"iou": 0.2},
        {"batch": 1},
        {"overlap": 0.5},
        {"max_objects": 3},
        {"image_size": 64},
    ]
    other = [{"image_size": 96}, {"tile": 64}, {"tile": 64, "overlap": 0.5}, {"tile": 96}]
    assert len({prompter(learned, **options).encoder_key for options in same}) == 1
    keys = [prompter(learned, **options).encoder_key for options in [{}, *other]]
    assert len({*keys, prompter(random_weights).encoder_key}) == 6


def test_the_key_is_that_of_the_weights_not_of_their_place(learned, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(learned.read_bytes())
    assert prompter(copy).encoder_key == prompter(learned).encoder_key


def test_by_default_the_confidence_is_where_f1_peaked_in_validation(learned):
    from mitobench.checkpoints import read_card

    card = read_card(learned)
    assert prompter(learned).confidence == card.architecture["confidence"] == card.metrics["validation_confidence"]
    assert prompter(learned, confidence=0.6).confidence == 0.6


def test_more_boxes_than_max_objects_are_an_error_not_a_cut(learned, discs):
    sample = discs(203)
    count = len(prompts_of(prompter(learned, confidence=0.001), sample))
    assert count > 3
    assert len(prompts_of(prompter(learned, confidence=0.001, max_objects=count), sample)) == count
    with pytest.raises(MitobenchError, match=rf"{count} boxes .* at most 3. Raise confidence="):
        prompts_of(prompter(learned, confidence=0.001, max_objects=3), sample)


def test_more_than_ultralytics_300_boxes_come_through(random_weights):
    image = np.random.default_rng(0).integers(0, 255, (640, 640), dtype=np.uint8)
    component = prompter(random_weights, image_size=640, iou=1.0)
    (encoding,) = component.encode([image])
    lowest = float(np.sort(encoding[:, 4])[-1000])
    assert len(component.detect(encoding, lowest)) >= 1000


def test_tiles_and_whole_images_agree_where_one_tile_covers_the_image(learned, discs):
    sample = discs(204)
    whole, tiled = prompter(learned).encode([sample.image]), prompter(learned, tile=64).encode([sample.image])
    np.testing.assert_array_equal(whole[0], tiled[0])


def test_tiles_find_discs_in_an_image_of_many_times_the_size(learned, discs):
    rows = [[discs(300 + 3 * r + c) for c in range(3)] for r in range(3)]
    image = np.block([[sample.image for sample in row] for row in rows])
    labels = np.block([[sample.labels for sample in row] for row in rows])
    from mitobench.images import connected_components

    objects = reference_boxes(connected_components(labels > 0))
    component = prompter(learned, tile=64, overlap=0.5)
    found = component.detect(component.encode([image])[0])
    assert (match(objects, found[:, :4], found[:, 4], 0.5) >= 0).mean() > 0.7


def test_an_absent_checkpoint_says_what_to_give(tmp_path):
    with pytest.raises(MissingError, match=r"no such checkpoint\. Give the path"):
        prompter(tmp_path / "nothing.safetensors")
