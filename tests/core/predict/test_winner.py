"""The best cell of a run, taken up again only as it was scored."""

import numpy as np
import pytest
import tifffile

from mitobench.errors import MissingError, UsageError
from mitobench.predict.predictor import Predictor, Tiling
from mitobench.predict.winner import best_cell, take_up
from mitobench.results.runfolder import RunFolder
from mitobench.workbench import Workbench


@pytest.fixture
def run(bench, tmp_path):
    """Runs toy experiments and opens the run."""

    def make(**asked):
        bench.run(tmp_path / "run", metrics=("toy-overlap",), **asked)
        return RunFolder.open(tmp_path / "run")

    return make


def taken_up(winner, bench):
    return [take_up(winner, part, bench.plugins, bench.store) for part in ("prompter", "segmenter")]


def test_the_best_by_a_column_comes_with_its_exact_options(run, bench):
    folder = run(prompters=("toy-centres", "toy-centres:threshold=230"), segmenters=("toy-flood:threshold=70",))
    winner = best_cell(folder, bench.plugins, column="dice")
    prompter, segmenter = taken_up(winner, bench)
    assert (prompter.label, segmenter.label) == ("toy-centres", "toy-flood:threshold=70")
    assert (winner.column, winner.data, winner.side) == ("Dice", "toy-discs", 48)
    assert 0.9 < winner.value <= 1
    assert segmenter.options(bench.plugins).threshold == 70


def test_the_side_is_the_longest_of_the_images_so_that_none_of_them_is_cut(run, bench, tmp_path):
    for kind, value in (("images", 200), ("labels", 1)):
        for name, shape in (("a", (16, 64)), ("b", (30, 40))):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            pixels = np.zeros(shape, np.uint8)
            pixels[4:9, 5:12] = value
            tifffile.imwrite(tmp_path / "data" / kind / f"{name}.tif", pixels)
    winner = best_cell(run(data=("folder:root=data",)), bench.plugins)
    assert winner.side == 64
    tiling = Tiling(scored_side=winner.side)
    predictor = Predictor(Workbench(bench.plugins, "cpu", 0), *taken_up(winner, bench), tiling)
    assert [predictor.tile_side(shape) for shape in ((16, 64), (30, 40), (64, 97))] == [0, 0, 64]


def test_an_oracle_never_wins(run, bench):
    folder = run(prompters=("toy-centres:threshold=200", "toy-oracle"), segmenters=("toy-flood",))
    assert taken_up(best_cell(folder, bench.plugins), bench)[0].label == "toy-centres:threshold=200"


def test_finished_segmentations_of_the_run_s_images_are_passed_over(run, bench, tmp_path):
    bench.run(tmp_path / "other", metrics=("toy-overlap",))
    (made,) = (tmp_path / "other" / "predictions").glob("*/")
    given = f"predictions:folder='{made}',name=Other"
    folder = run(segmenters=(given, "toy-threshold:threshold=150"))
    assert bench.leaderboard(folder.path).tables[0].rows[0].segmenter == "Other (predictions)"
    winner = best_cell(folder, bench.plugins)
    assert winner.record["segmenter"]["label"] == "toy-threshold:threshold=150"
    assert winner.passed_over == ("Other (predictions)",)


def test_a_run_of_finished_segmentations_alone_has_no_winner(run, bench, tmp_path):
    bench.run(tmp_path / "other", metrics=("toy-overlap",))
    (made,) = (tmp_path / "other" / "predictions").glob("*/")
    folder = run(segmenters=(f"predictions:folder='{made}',name=Other",))
    with pytest.raises(UsageError, match=r"finished segmentations.*\(Other \(predictions\)\)"):
        best_cell(folder, bench.plugins)


def test_a_run_of_oracles_alone_has_no_winner(run, bench):
    folder = run(prompters=("toy-oracle",), segmenters=("toy-flood",))
    with pytest.raises(UsageError, match="only oracle prompts"):
        best_cell(folder, bench.plugins)


def test_a_cell_that_missed_an_image_does_not_win(run, bench):
    folder = run(prompters=("toy-centres:fail_on=disc3", "toy-centres:threshold=200"), segmenters=("toy-flood",))
    assert taken_up(best_cell(folder, bench.plugins), bench)[0].label == "toy-centres:threshold=200"


def test_where_no_cell_is_complete_that_is_said(run, bench):
    folder = run(prompters=("toy-centres:fail_on=disc3",), segmenters=("toy-flood",))
    with pytest.raises(UsageError, match="no cell on 'toy-discs' has seen all images"):
        best_cell(folder, bench.plugins)


def test_an_unknown_column_is_answered_with_those_there_are(run, bench):
    with pytest.raises(UsageError, match=r"no column 'mSA'.*Dice"):
        best_cell(run(), bench.plugins, column="mSA")


def test_several_data_sources_need_a_word_on_which_counts(run, bench):
    folder = run(data=("toy-discs:n=2", "toy-discs:n=3,seed=4"))
    with pytest.raises(UsageError, match=r"--best-on.*'toy-discs:n=2', 'toy-discs:n=3,seed=4'"):
        best_cell(folder, bench.plugins)
    assert best_cell(folder, bench.plugins, data="toy-discs:n=2").data == "toy-discs:n=2"
    with pytest.raises(UsageError, match="0 data sources are called 'x'"):
        best_cell(folder, bench.plugins, data="x")


def test_weights_that_have_changed_since_are_refused(run, bench):
    winner = best_cell(run(), bench.plugins)
    record = dict(winner.record["segmenter"])
    record |= {"key": "another", "weights": [{"role": "weights", "name": "", "sha256": "ab" * 32}]}
    object.__setattr__(winner, "record", {**winner.record, "segmenter": record})
    with pytest.raises(MissingError, match=r"weights are not those.*abababababab -> none"):
        take_up(winner, "segmenter", bench.plugins, bench.store)


def test_code_of_another_version_and_other_contents_are_refused(run, bench):
    winner = best_cell(run(), bench.plugins)
    record = winner.record["segmenter"]
    older = {**record, "key": "another", "identity": {**record["identity"], "version": 0}}
    object.__setattr__(winner, "record", {**winner.record, "segmenter": older})
    with pytest.raises(UsageError, match="version 1 here and was scored as version 0"):
        take_up(winner, "segmenter", bench.plugins, bench.store)
    object.__setattr__(winner, "record", {**winner.record, "segmenter": {**record, "key": "another"}})
    with pytest.raises(UsageError, match="not what they were"):
        take_up(winner, "segmenter", bench.plugins, bench.store)
