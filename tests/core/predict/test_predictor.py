"""The predictor: whole images and tiled ones, and the rule that decides between them."""

import numpy as np
import pytest

from mitobench.components import plan_component
from mitobench.errors import ContractError, UsageError
from mitobench.images import connected_components
from mitobench.predict.predictor import Predictor, Tiling
from mitobench.samples import Sample
from mitobench.specs import parse_spec
from mitobench.workbench import Workbench


@pytest.fixture
def predictor(bench):
    """Makes a predictor from specs."""

    def make(segmenter, prompter="none", *, batch=3, **tiling):
        planned = [
            plan_component(kind, parse_spec(spec), bench.plugins, bench.store, base=bench.base)
            for kind, spec in (("prompter", prompter), ("segmenter", segmenter))
        ]
        return Predictor(Workbench(bench.plugins, "cpu", 0), *planned, Tiling(**tiling), batch)

    return make


@pytest.fixture(scope="module")
def scene():
    """A 300 x 420 image of bright discs of many sizes, some touching, on a dark ground."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:300, :420]
    image = rng.integers(10, 40, (300, 420), dtype=np.uint8)
    for _ in range(70):
        row, column, radius = rng.uniform(0, 300), rng.uniform(0, 420), rng.uniform(2, 22)
        image[np.hypot(y - row, x - column) < radius] = rng.integers(120, 255)
    return Sample(id="scene", image=image, pixel_size_nm=(5.0, 5.0))


@pytest.mark.parametrize(("side", "overlap"), [(64, None), (100, 20), (128, 2), (299, 40)])
def test_stitched_labels_equal_those_of_the_whole_image(predictor, scene, side, overlap):
    tiled = predictor("toy-threshold:threshold=80", side=side, overlap=overlap).predict(scene)
    whole = predictor("toy-threshold:threshold=80", side=0).predict(scene)
    assert tiled.tiles > 1
    assert (whole.tiles, whole.side, whole.overlap) == (1, 0, 0)
    np.testing.assert_array_equal(whole.labels, connected_components(scene.image > 80))
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert tiled.scores.shape == whole.scores.shape == (whole.labels.max(),)


def test_prompts_are_made_tile_by_tile_and_masks_that_meet_become_one(predictor, scene):
    tiled = predictor("toy-flood:threshold=80", "toy-centres:threshold=80", side=96).predict(scene)
    foreground = scene.image > 80
    found = tiled.labels > 0
    assert not (found & ~foreground).any()
    assert (found & foreground).sum() > 0.8 * foreground.sum()
    joined = connected_components(foreground)
    assert all(np.unique(joined[tiled.labels == n]).size == 1 for n in range(1, tiled.labels.max() + 1))


def test_the_batch_of_tiles_changes_nothing(predictor, scene):
    one, many = (predictor("toy-threshold", side=70, batch=b).predict(scene) for b in (1, 50))
    np.testing.assert_array_equal(one.labels, many.labels)


def test_numbers_are_consecutive_in_the_order_of_first_pixels(predictor, scene):
    labels = predictor("toy-threshold", side=90).predict(scene).labels
    numbers, first = np.unique(labels, return_index=True)
    assert numbers.tolist() == list(range(labels.max() + 1))
    assert (np.diff(first[1:]) > 0).all()


def test_automatically_images_are_cut_to_the_side_that_was_scored_where_they_are_much_larger(predictor):
    scored = predictor("toy-threshold", scored_side=200)
    assert [scored.tile_side(s) for s in ((200, 200), (300, 100), (301, 100), (4000, 4000))] == [0, 0, 200, 200]


def test_automatically_images_are_cut_to_the_fixed_input_of_the_segmenter(predictor):
    tiny = predictor("sam:model=tiny", "grid")
    assert [tiny.tile_side(s) for s in ((512, 512), (768, 768), (769, 100), (4096, 4096))] == [0, 0, 512, 512]
    assert predictor("sam:model=tiny", "grid", scored_side=1024).tile_side((4096, 4096)) == 1024


def test_a_segmenter_of_any_input_sees_all_but_huge_images_whole(predictor):
    any_size = predictor("toy-threshold")
    assert [any_size.tile_side(s) for s in ((3072, 3072), (3073, 3072), (20000, 900))] == [0, 2048, 2048]


def test_a_given_side_holds_for_every_image_that_is_larger(predictor):
    assert [predictor("toy-threshold", side=64).tile_side(s) for s in ((64, 64), (64, 65))] == [0, 64]
    assert predictor("toy-threshold", side=0).tile_side((9000, 9000)) == 0


def test_an_overlap_that_would_make_too_many_automatic_tiles_is_refused_before_the_first(predictor, scene):
    """With --overlap 300, tiles of 256 px of a 1024 x 1024 image would be 591,361."""
    large = Sample(id="large", image=np.zeros((1024, 1024), np.uint8))
    with pytest.raises(UsageError, match=r"overlap is 300 px for tiles of 256 px; .* at most half a tile, 128"):
        predictor("toy-threshold", overlap=300, scored_side=256).predict(large)
    assert predictor("toy-threshold", overlap=128, scored_side=256).predict(large).tiles == 49
    assert predictor("toy-threshold", overlap=300, scored_side=420).predict(scene).tiles == 1, "not cut, so no overlap"


@pytest.mark.parametrize("overlap", [1, 33, 64, 65])
def test_an_overlap_that_fits_no_tile_is_refused(overlap):
    with pytest.raises(UsageError, match=f"overlap is {overlap} px for tiles of 64"):
        Tiling(side=64, overlap=overlap)


def test_prompts_for_whole_images_are_not_cut(predictor, tmp_path, scene):
    rows = tmp_path / "points.csv"
    rows.write_text("image,x,y,label\nscene,10,10,1\n")
    assert predictor("toy-flood", f"manual:path={rows}").tile_side((9000, 9000)) == 0
    with pytest.raises(UsageError, match="cannot be tiled"):
        predictor("toy-flood", f"manual:path={rows}", side=64).predict(scene)


def test_asked_to_stop_it_stops_between_batches(predictor, scene):
    seen = []
    stopped = predictor("toy-threshold", side=64, batch=2).predict(
        scene, should_stop=lambda: len(seen) == 3, progress=lambda done, total: seen.append((done, total))
    )
    assert stopped is None
    assert [done for done, _ in seen] == [0, 2, 4]


def test_what_breaks_the_contract_is_said_with_the_component(predictor, scene):
    with pytest.raises(ContractError, match="shape"):
        predictor("toy-flood:shape_error=true", "toy-centres", side=64).predict(scene)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3)])
def test_the_smallest_and_the_thinnest_images_work(predictor, shape):
    image = np.full(shape, 200, np.uint8)
    predicted = predictor("toy-threshold", side=64).predict(Sample(id="thin", image=image))
    assert (predicted.labels == 1).all()


def test_an_image_is_segmented_by_its_pixels_alone(predictor, scene):
    labels = np.ones(scene.shape, np.int32)
    with_reference = Sample(id="scene", image=scene.image, labels=labels)
    predicted = predictor("toy-flood", "toy-centres", side=128).predict(with_reference)
    assert predicted.labels.max() > 1
