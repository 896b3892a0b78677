"""Predictions in runs: they reproduce scores exactly, bring their own name and time, and never hide an oracle."""

import json
import shutil

import numpy as np
import pytest
import tifffile

from mitobench.errors import DataError
from mitobench.experiment import Experiment
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.specs import Spec, parse_spec
from mitobench.weights import WeightsStore

METRICS = ("instance", "semantic", "boundary", "toy-overlap")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


class Bench:
    def __init__(self, base):
        self.base, self.plugins = base, Plugins.discover()
        self.store = WeightsStore(self.plugins, cache=base / "cache", offline=True)

    def plan(self, *segmenters, data=("toy-discs",), prompters=(), folder=None, **rest):
        def specs(given):
            return tuple(s if isinstance(s, Spec) else parse_spec(s) for s in given)

        asked = Experiment(
            data=specs(data),
            prompters=specs(prompters),
            segmenters=specs(segmenters),
            metrics=specs(METRICS),
            base=self.base,
            **rest,
        )
        return make_plan(asked, self.plugins, self.store, folder=folder)

    def run(self, name, *segmenters, **asked):
        folder = RunFolder.create_or_open(self.base / name)
        outcome = execute(self.plan(*segmenters, folder=folder, **asked), folder, self.plugins, device="cpu", batch=2)
        assert outcome.exit_code == 0, outcome.errors
        return folder

    def rows(self, *folders):
        found = build_leaderboard(Evidence(folders, self.plugins), resamples=50)
        return {row.segmenter: row for table in found.tables for row in table.rows}

    def statistics(self, folder, cell):
        table = folder.results().cell(cell)
        keys = folder.record()["metrics"]
        return {key: table.statistics(key)[:2] for key in keys}


def stored(folder, **options):
    """The spec of the predictions of a run's only cell."""
    (cell,) = folder.record()["cells"]
    return Spec("predictions", {"folder": str(folder.predictions(cell)), **options})


@pytest.mark.parametrize(
    ("segmenter", "prompters"), [("toy-threshold", ()), ("toy-flood", ("toy-centres",)), ("toy-flood", ("toy-oracle",))]
)
def test_stored_predictions_of_a_run_score_exactly_as_in_that_run(bench, segmenter, prompters):
    first = bench.run("first", segmenter, prompters=prompters)
    (before,) = first.record()["cells"]
    again = bench.run("again", stored(first, name="Again", version="1.10"))
    ((after, record),) = again.record()["cells"].items()
    assert record["oracle"] is (prompters == ("toy-oracle",))
    expected, found = bench.statistics(first, before), bench.statistics(again, after)
    assert set(found) == {"instance@1", "semantic@1", "boundary@1", "mitobench-toy/toy-overlap@1"}
    for key, (names, values) in expected.items():
        assert found[key][0] == names
        assert np.array_equal(found[key][1], values)
        assert values.any()
    old, new = (next(iter(bench.rows(folder).values())) for folder in (first, again))
    assert {n: s.value for n, s in new.scores.items()} == {n: s.value for n, s in old.scores.items()}


def test_the_same_labels_without_mitobenchs_own_marks_score_the_same(bench):
    first = bench.run("first", "toy-threshold")
    (cell,) = first.record()["cells"]
    plain = bench.base / "plain"
    plain.mkdir()
    for number, path in enumerate(sorted(first.predictions(cell).glob("*.tif"))):
        tifffile.imwrite(plain / f"disc{number}.tif", tifffile.imread(path).astype(np.uint16) * 7)
    spec = Spec("predictions", {"folder": str(plain)})
    (after,) = (again := bench.run("again", spec)).record()["cells"]
    for key, (names, values) in bench.statistics(first, cell).items():
        found = bench.statistics(again, after)[key][1]
        differing = {name for name, same in zip(names, (found == values).all(axis=0), strict=True) if not same}
        assert differing <= {"prediction_from_mask"}  # plain labels do not say what they were made from


def test_the_leaderboard_shows_the_given_name_and_time(bench):
    first = bench.run("first", "toy-threshold")
    second = bench.run("second", stored(first, name="Cellpose", version=3.1, seconds_per_image=0.8))
    timeless = bench.run("third", stored(first, name="MitoNet"))
    rows = bench.rows(first, second, timeless)
    assert set(rows) == {"toy-threshold", "Cellpose 3.1 (predictions)", "MitoNet (predictions)"}
    costs = rows["Cellpose 3.1 (predictions)"].costs
    assert (costs["seconds_encode"], costs["seconds_prompt"], costs["seconds_segment"]) == (0, 0, pytest.approx(0.8))
    assert set(rows["MitoNet (predictions)"].costs.values()) == {None}
    assert any("time of 0.8 s an image is as given" in note for note in rows["Cellpose 3.1 (predictions)"].notes)
    assert any("its time is not known" in note for note in rows["MitoNet (predictions)"].notes)


def test_name_version_time_and_contents_are_part_of_the_identity_and_the_place_is_not(bench, write):
    folder = write(**{f"disc{i}.tif": np.full((48, 48), i, np.uint8) for i in range(6)})

    def key(folder, **options):
        return bench.plan(Spec("predictions", {"folder": str(folder), **options})).cells[0].key

    moved = folder.with_name("moved")
    before = key(folder, name="A")
    others = [key(folder, name="B"), key(folder, name="A", version="2"), key(folder, name="A", seconds_per_image=1)]
    folder.rename(moved)
    assert key(moved, name="A") == before
    tifffile.imwrite(moved / "disc3.tif", np.zeros((48, 48), np.uint8))
    assert len({before, key(moved, name="A"), *others}) == 5


def test_a_missing_file_stops_the_run_before_anything_is_computed(bench, write):
    folder = write(**{f"disc{i}.tif": np.zeros((48, 48), np.uint8) for i in range(5)})
    spec = Spec("predictions", {"folder": str(folder)})
    with pytest.raises(DataError, match="no label image for 1 of 6 images, such as 'disc5'"):
        bench.run("run", "toy-threshold", spec)
    assert not (bench.base / "run" / "parts").exists()
    bench.run("fewer", spec, limit=5)
    with pytest.raises(DataError, match="no label image whose name ends in '_masks'"):
        bench.run("wrong", Spec("predictions", {"folder": str(folder), "suffix": "_masks"}))


def test_a_refused_run_leaves_no_cell_behind(bench, write):
    folder = write(**{f"disc{i}_masks.tif": np.zeros((48, 48), np.uint8) for i in range(6)})
    bench.run("run", "toy-threshold")
    before = RunFolder.open(bench.base / "run").record()
    with pytest.raises(DataError, match="say with suffix="):
        bench.run("run", Spec("predictions", {"folder": str(folder)}))
    assert RunFolder.open(bench.base / "run").record() == before
    named = {"folder": str(folder), "suffix": "_masks", "name": "Other"}
    assert set(bench.rows(bench.run("run", Spec("predictions", named)))) == {"toy-threshold", "Other (predictions)"}


def test_label_images_that_count_as_empty_are_disclosed(bench, write):
    folder = write(**{f"disc{i}.tif": np.zeros((48, 48), np.uint8) for i in range(4)})
    spec = Spec("predictions", {"folder": str(folder), "name": "Other", "missing": "empty"})
    (row,) = bench.rows(bench.run("run", spec)).values()
    assert any("images without a label image count as images in which nothing was found" in note for note in row.notes)
    (row,) = bench.rows(bench.run("all", Spec("predictions", {"folder": str(folder)}), limit=4)).values()
    assert not any("nothing was found" in note for note in row.notes)


def test_predictions_for_one_of_two_data_sources_are_refused_with_their_names(bench, write):
    folder = write(**{f"disc{i}.tif": np.zeros((48, 48), np.uint8) for i in range(2)})
    with pytest.raises(DataError, match=r"no label image for 1 of 3 images, such as 'disc2'"):
        bench.run("run", Spec("predictions", {"folder": str(folder)}), data=("toy-discs:n=2", "toy-discs:n=3"))


def test_predictions_for_other_pictures_are_refused(bench):
    first = bench.run("first", "toy-threshold")
    folder = RunFolder.create_or_open(bench.base / "second")
    plan = bench.plan(stored(first), data=("toy-discs:seed=9",), folder=folder)
    outcome = execute(plan, folder, bench.plugins, device="cpu")
    assert outcome.failed == 6
    assert all("in a run on other images" in error for error, _ in outcome.errors)


def test_a_run_folder_is_answered_with_its_cells(bench):
    first = bench.run("first", "toy-threshold", "toy-threshold:threshold=120")
    cells = first.record()["cells"]
    with pytest.raises(DataError, match="none x toy-threshold:threshold=120") as raised:
        bench.run("second", Spec("predictions", {"folder": str(first.path)}))
    assert all(key in str(raised.value) for key in cells)


def test_a_tool_that_saw_the_reference_is_ranked_among_oracles(bench, write):
    folder = write(**{f"disc{i}.tif": np.zeros((48, 48), np.uint8) for i in range(6)})
    spec = Spec("predictions", {"folder": str(folder), "oracle": True})
    run = bench.run("run", spec, "toy-threshold")
    found = build_leaderboard(Evidence([run], bench.plugins), resamples=50)
    assert [(t.oracle, t.rows[0].segmenter) for t in found.tables] == [
        (False, "toy-threshold"),
        (True, "predictions:folder=labels,oracle=true"),
    ]


def test_an_oracle_s_predictions_out_of_their_run_must_say_so(bench):
    first = bench.run("first", "toy-flood", prompters=("toy-oracle",))
    (cell,) = first.record()["cells"]
    copied = shutil.copytree(first.predictions(cell), bench.base / "copied")
    folder = RunFolder.create_or_open(bench.base / "second")
    outcome = execute(
        bench.plan(Spec("predictions", {"folder": str(copied)}), folder=folder), folder, bench.plugins, device="cpu"
    )
    assert outcome.failed == 6
    assert "say so with oracle=true" in outcome.errors[0][0]
    again = bench.run("third", Spec("predictions", {"folder": str(copied), "oracle": True}))
    assert next(iter(again.record()["cells"].values()))["oracle"]


def test_damage_to_a_stored_prediction_is_said(bench):
    first = bench.run("first", "toy-threshold")
    (cell,) = first.record()["cells"]
    victim = next(first.predictions(cell).glob("disc2-*.npz"))
    victim.write_bytes(victim.read_bytes()[:40])
    folder = RunFolder.create_or_open(bench.base / "second")
    outcome = execute(bench.plan(stored(first), folder=folder), folder, bench.plugins, device="cpu")
    assert (outcome.done, outcome.failed) == (6, 1)
    assert "cannot be read" in outcome.errors[0][0]
    assert json.loads((folder.path / "run.json").read_text())["cells"]


@pytest.mark.real_data
def test_predictions_on_real_sections_score_exactly_as_in_the_run_that_made_them(bench, real_data):
    em = real_data / "em-vnc"
    options = {"images": str(em / "training.tif"), "labels": str(em / "training_groundtruth.tif"), "patch": 256}
    data = (Spec("tiff-stack", {**options, "sections": 12}),)
    first = bench.run("first", "unet", data=data, limit=3)
    again = bench.run("again", stored(first, name="U-Net"), data=data, limit=3)
    (before,), (after,) = first.record()["cells"], again.record()["cells"]
    expected, found = bench.statistics(first, before), bench.statistics(again, after)
    assert all(np.array_equal(found[key][1], values) for key, (_, values) in expected.items())
    (old,), (new,) = (bench.rows(folder).values() for folder in (first, again))
    assert {n: (s.value, s.low, s.high) for n, s in new.scores.items()} == {
        n: (s.value, s.low, s.high) for n, s in old.scores.items()
    }
    assert len(new.scores) > 20
