"""The prompts of a run as a table: what it holds, that numbers survive, and what it refuses."""

import csv
import io

import numpy as np
import pytest
from mitobench_toy_components import Flood

from mitobench.errors import DataError, UsageError
from mitobench.experiment import Experiment
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts
from mitobench.results.predictions import read_prediction
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.sharing.exports import export_run, open_run
from mitobench.sharing.prompt_tables import export_prompts, prompt_table
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore


def points(*places, labels=None):
    found = np.array(places, np.float32).reshape(len(places), -1, 2)
    given = np.ones(found.shape[:2], np.int8) if labels is None else np.array(labels, np.int8)
    return Prompts(points=found, point_labels=given)


@pytest.fixture
def run(tmp_path):
    """Make a run of some data sources, prompters and segmenters."""

    def run(name="r", data=("toy-discs:n=2",), prompters=("toy-centres",), segmenters=("toy-flood",), seed=0):
        asked = Experiment(
            data=tuple(map(parse_spec, data)),
            prompters=tuple(map(parse_spec, prompters)),
            segmenters=tuple(map(parse_spec, segmenters)),
            metrics=(parse_spec("toy-overlap"),),
            seed=seed,
            base=tmp_path,
        )
        plugins, folder = Plugins.discover(), RunFolder.create_or_open(tmp_path / name)
        plan = make_plan(asked, plugins, WeightsStore(plugins, cache=tmp_path / "cache", offline=True))
        execute(plan, folder, plugins, device="cpu")
        return folder

    return run


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_points_are_rows_and_padding_is_none():
    several = points((1, 2, 3, 4), (5, 6, 0, 0), labels=[[1, 0], [1, -1]])
    kind, text = prompt_table({"a": several, "b": Prompts(), "c, d": points((7, 8))})
    assert kind == "point"
    assert text == 'image,x,y,label,prompt\na,1,2,1,1\na,3,4,0,1\na,5,6,1,2\n"c, d",7,8,1,1\n'


def test_numbers_survive_to_the_last_bit():
    places = np.random.default_rng(0).uniform(-0.5, 5000, (200, 2)).astype(np.float32)
    found = rows(prompt_table({"a": points(*places)})[1])
    again = np.array([(row["x"], row["y"]) for row in found], np.float64).astype(np.float32)
    np.testing.assert_array_equal(again, places)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (Prompts(), "no prompt on any of 1 images"),
        (Prompts(masks=np.zeros((1, 256, 256), np.float32)), "hold mask; expected points alone or boxes alone"),
        (
            Prompts(
                boxes=np.zeros((1, 4), np.float32),
                points=np.zeros((1, 1, 2), np.float32),
                point_labels=np.ones((1, 1), np.int8),
            ),
            "hold box and point",
        ),
    ],
)
def test_what_a_table_cannot_hold_is_refused(prompts, message):
    with pytest.raises(DataError, match=message):
        prompt_table({"a": prompts})


@pytest.mark.parametrize("image", ["a\nb", " a", "a\x1b[31m", "a\u2028b"])
def test_an_id_that_would_not_be_read_again_is_refused(image):
    with pytest.raises(DataError, match="which a table cannot keep"):
        prompt_table({image: points((1, 1))})


def test_the_prompts_of_a_run_are_written_with_the_ids_of_its_images(run, tmp_path):
    folder = run()
    done = export_prompts(folder, tmp_path / "p.csv", "toy-centres")
    assert (done.kind, done.images, done.without, done.failed, done.prompts) == ("point", 2, (), (), 16)
    (key,) = folder.record()["cells"]
    found = rows((tmp_path / "p.csv").read_text(encoding="utf-8"))
    assert len(found) == 16
    for image in ("disc0", "disc1"):
        stored = read_prediction(folder.predictions(key), cell=key, image=image, shape=(48, 48)).prompts
        written = [(row["x"], row["y"]) for row in found if row["image"] == image]
        np.testing.assert_array_equal(np.array(written, np.float64).astype(np.float32), stored.points[:, 0])


def test_an_export_with_predictions_gives_the_same_table(run, tmp_path):
    folder = run()
    export_prompts(folder, tmp_path / "a.csv", "toy-centres")
    export_run(folder, tmp_path / "r.zip", Plugins.discover(), predictions=True)
    export_prompts(open_run(tmp_path / "r.zip"), tmp_path / "b.csv", "toy-centres")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_the_cell_that_holds_most_images_is_read(run, tmp_path):
    run(segmenters=("toy-flood:shape_error=true",))
    done = export_prompts(
        run(segmenters=("toy-flood", "toy-flood:shape_error=true")), tmp_path / "p.csv", "toy-centres"
    )
    assert done.images == 2


@pytest.mark.parametrize(
    ("fails", "failed"), [({80: "disc0", 90: "disc1"}, ()), ({80: "disc1", 90: "disc1"}, ("disc1",))]
)
def test_an_image_is_read_from_whichever_cell_it_did_not_fail_in(run, tmp_path, monkeypatch, fails, failed):
    whole = export_prompts(run("whole"), tmp_path / "whole.csv", "toy-centres")
    segment = Flood.segment

    def failing(self, encoding, sample, prompts):
        if sample.id == fails[self.options.threshold]:
            raise ValueError("it fails")
        return segment(self, encoding, sample, prompts)

    monkeypatch.setattr(Flood, "segment", failing)
    done = export_prompts(
        run(segmenters=("toy-flood", "toy-flood:threshold=90")), tmp_path / "parts.csv", "toy-centres"
    )
    assert (done.images, done.without, done.failed) == (2 - len(failed), (), failed)
    assert (done.data, done.prompter) == (whole.data, whole.prompter)
    same = (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert same == (not failed)


def test_one_of_several_is_named_by_its_spec_and_its_data(run, tmp_path):
    both = ("toy-centres", "toy-centres:threshold=100")
    folder = run(data=("toy-discs:n=2", "toy-discs:n=3"), prompters=both)
    out = tmp_path / "p.csv"
    done = export_prompts(folder, out, "toy-centres:threshold=100", data="toy-discs:n=3")
    assert (done.prompter, done.data, done.images) == ("toy-centres:threshold=100", "toy-discs:n=3", 3)
    assert export_prompts(folder, out, "toy-centres", data="toy-discs:n=2").prompter == "toy-centres"
    for prompter, data, message in (
        ("toy-centres", None, "several data sources: toy-discs:n=2; toy-discs:n=3. Name one of them with --data"),
        ("toy-centres", "toy-discs", "saw no data 'toy-discs'"),
        ("toy-center", None, "no prompter is called 'toy-center'. There are: toy-centres; toy-centres:threshold=100"),
    ):
        with pytest.raises(UsageError, match=message):
            export_prompts(folder, out, prompter, data=data)


def test_several_prompters_or_seeds_are_not_mixed(run, tmp_path):
    for folder in (
        run("a", prompters=("toy-centres:threshold=100", "toy-centres:threshold=80")),
        (run("b"), run("b", seed=1))[1],
    ):
        with pytest.raises(UsageError, match="several prompters, or one with several seeds"):
            export_prompts(folder, tmp_path / "p.csv", "toy-centres")


def test_prompts_made_from_the_reference_are_not_turned_into_automatic_ones(run, tmp_path):
    with pytest.raises(UsageError, match="looked at the reference"):
        export_prompts(run(prompters=("toy-oracle",)), tmp_path / "p.csv", "toy-oracle")
    assert not (tmp_path / "p.csv").exists()
