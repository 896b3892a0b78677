"""``figures`` draws a run's figures from its files: which ones, of which cells and images, and what happens where data are gone."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.plugins import Plugins
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.results.runfolder import RunFolder
from mitobench_cli.drawing import charts
from mitobench_cli.drawing.cells import (
    cells_by_data,
    choose_cells,
    images_by_objects,
    pair_of_cells,
    representative_images,
)
from mitobench_cli.drawing.run_boards import RunBoards
from mitobench_cli.figures import KINDS
from mitobench_cli.main import cli

MATRIX = (
    *("--prompter", "toy-centres", "--prompter", "toy-oracle"),
    *("--segmenter", "toy-flood", "--segmenter", "toy-flood:threshold=120", "--segmenter", "toy-threshold"),
    *("--metric", "toy-overlap", "--metric", "toy-prompted", "--metric", "instance"),
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A finished run of six cells on five images."""
    path = tmp_path_factory.mktemp("figures") / "r"
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--data", "toy-discs:n=5", *MATRIX, "--out", str(path)], prog_name="mitobench")
    assert not ended.value.code
    return path


@pytest.fixture(scope="module")
def evidence(stored):
    return Evidence([RunFolder.open(stored)], Plugins.discover())


@pytest.fixture(scope="module")
def data(evidence):
    (only,) = cells_by_data(build_leaderboard(evidence, resamples=50), evidence)
    return only


@pytest.fixture
def figures(mitobench, stored, tmp_path):
    """Call ``figures`` on the run with small files; gives the result and the files written."""

    def call(*arguments):
        result = mitobench("figures", stored, "--out", tmp_path / "f", "--dpi", 40, *arguments)
        found = sorted(p.relative_to(tmp_path / "f").as_posix() for p in (tmp_path / "f").rglob("*.*"))
        return result, found

    return call


def test_every_figure_is_drawn_and_its_path_is_said(figures, tmp_path):
    result, found = figures()
    assert result.code == 0
    assert sorted(result.out.split()) == sorted(str(tmp_path / "f" / name) for name in found)
    kinds = {name.split("/")[0].partition(".")[0] for name in found}
    assert kinds == set(KINDS) - {"training"}
    assert sum(name.startswith("extremes/") for name in found) == 5
    for name in found:
        with Image.open(tmp_path / "f" / name) as image:
            assert np.asarray(image).std() > 5, f"{name} is blank"


def test_an_export_holds_no_images_so_its_charts_are_drawn_and_the_rest_is_said(mitobench, stored, tmp_path):
    assert mitobench("export", stored, "--out", "a.zip", "--predictions").code == 0
    done = mitobench("figures", "a.zip", "--out", "f", "--dpi", 40)
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "f").rglob("*.png")) == ["intervals.png", "thresholds.png"]
    assert "note: a.zip is an export and holds no images" in done.err
    assert mitobench("figures", "a.zip", "--out", "f", "--figure", "comparison").code == 2
    refused = mitobench("figures", "a.zip")
    assert refused.code == 2
    assert "give --out FOLDER" in refused.err


def test_figures_kinds_and_formats_are_chosen(figures):
    result, found = figures("--figure", "intervals", "--figure", "thresholds", "--format", "svg", "--format", "pdf")
    assert result.code == 0
    assert found == ["intervals.pdf", "intervals.svg", "thresholds.pdf", "thresholds.svg"]


def test_json_lists_the_files(figures, tmp_path):
    result, _ = figures("--figure", "intervals", "--json")
    assert json.loads(result.out)["figures"] == [str(tmp_path / "f" / "intervals.png")]


def test_one_cell_can_be_chosen(figures):
    _, found = figures("--figure", "extremes", "--cell", "toy-centres x toy-flood")
    assert len(found) == 1
    assert found[0].startswith("extremes/toy-centres_x_toy-flood-")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cell", "nosuch"), "names no cell. There are: "),
        (("--image", "nosuch"), "There are 5, such as: disc0, disc1"),
        (("--score", "AP"), "not scored in this run"),
        (("--figure", "training"), "nothing to draw"),
        (("--checkpoint", "absent.safetensors", "--figure", "training"), "no such checkpoint"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(figures, arguments, message):
    result, found = figures(*arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert found == []


def test_each_data_source_has_a_folder_where_there_are_several(mitobench, tmp_path):
    matrix = ("--data", "toy-discs:n=2", "--data", "toy-discs:n=3", "--segmenter", "toy-threshold")
    assert mitobench("run", *matrix, "--metric", "toy-overlap", "--out", "r").code == 0
    assert mitobench("figures", "r", "--figure", "comparison", "--figure", "intervals", "--dpi", 40).code == 0
    found = {p.relative_to(tmp_path / "r" / "report" / "figures") for p in (tmp_path / "r").rglob("*.png")}
    assert {path.name for path in found} == {"comparison.png", "intervals.png"}
    assert {path.parent.name.rpartition("-")[0] for path in found} == {"toy-discs_n_2", "toy-discs_n_3"}


def test_charts_are_drawn_where_the_images_are_gone(mitobench, stored, tmp_path):
    shutil.copytree(stored, tmp_path / "moved")
    record = json.loads((tmp_path / "moved" / "run.json").read_text())
    for cell in record["cells"].values():
        cell["data"]["given"]["n"] = 4
    (tmp_path / "moved" / "run.json").write_text(json.dumps(record))
    result = mitobench("figures", tmp_path / "moved", "--dpi", 40)
    assert result.code == 1
    assert "warning: comparison is not drawn: the data source 'toy-discs:n=5' has changed" in result.err
    folder = tmp_path / "moved" / "report" / "figures"
    assert sorted(path.name for path in folder.iterdir()) == ["intervals.png", "thresholds.png"]


def test_without_a_reference_predictions_are_not_called_right_or_wrong(mitobench, tmp_path):
    for name in ("a", "b"):
        Image.fromarray(np.pad(np.full((16, 16), 200, np.uint8), 8)).save(tmp_path / f"{name}.png")
    run = ("run", "--data", f"folder:images={tmp_path}", "--segmenter", "toy-threshold", "--metric", "instance")
    assert mitobench(*run, "--out", "r").code == 0
    plain = Evidence([RunFolder.open(tmp_path / "r")], Plugins.discover())
    (only,) = cells_by_data(build_leaderboard(plain, resamples=0), plain)
    images = representative_images(plain, only.cells[0], only.primary)
    assert [word for word, _ in images] == ["", ""]
    boards = RunBoards(plain)
    shown = boards.comparison(only.cells, images), boards.extremes(only.cells[0], images), boards.image(only.cells, "a")
    assert all([text for _, text in board.legend] == ["prediction"] for board in shown)
    assert "reference" not in shown[0].column_titles


def test_cells_are_named_as_the_leaderboard_names_them(data):
    assert [cell.title for cell in data.cells if cell.oracle] == [
        "toy-oracle × toy-flood (oracle)",
        "toy-oracle × toy-flood:threshold=120 (oracle)",
    ]
    assert "toy-threshold" in [cell.title for cell in data.cells]
    assert data.label == "toy-discs:n=5"


def test_cells_are_chosen_by_label_segmenter_prompter_or_key(data):
    cells = data.cells
    first = cells[0]
    assert choose_cells(cells, ()) == cells
    assert choose_cells(cells, [first.key[:8]]) == (first,)
    assert {c.prompter for c in choose_cells(cells, ["toy-oracle"])} == {"toy-oracle"}
    assert {c.segmenter for c in choose_cells(cells, ["toy-flood"])} == {"toy-flood"}
    assert [c.label for c in choose_cells(cells, ["toy-threshold", "toy-centres x toy-flood"])] == [
        "toy-threshold",
        "toy-centres × toy-flood",
    ]


def test_two_segmenters_behind_one_prompter_are_compared_the_worse_first(data, evidence):
    worse, better = pair_of_cells(data.cells)
    assert worse.prompter == better.prompter == "toy-centres"
    means = [np.nanmean(evidence.image_scores(cell.key)[1]["Dice"]) for cell in (worse, better)]
    assert means[0] <= means[1]


def test_representative_images_run_from_best_to_worst(data, evidence):
    cell = next(cell for cell in data.cells if cell.segmenter == "toy-flood:threshold=120")
    images, scores = evidence.image_scores(cell.key)
    by_score = sorted(zip(-scores[data.primary.name], images, strict=True))
    spread = representative_images(evidence, cell, data.primary)
    assert [word for word, _ in spread] == ["best", "median", "worst"]
    values = dict(zip(images, scores[data.primary.name], strict=True))
    ordered = [-score for score, _ in by_score]
    assert [values[image] for _, image in spread] == [ordered[0], ordered[2], ordered[4]]


def test_images_can_be_spread_over_their_numbers_of_objects(evidence, data):
    spread = images_by_objects(evidence, data.cells[0])
    numbers = [len(np.unique(evidence.sample(data.cells[0].key, image).labels)) - 1 for _, image in spread]
    assert [word for word, _ in spread] == [f"{n} objects" for n in numbers]
    assert numbers == sorted(numbers)
    assert len({image for _, image in spread}) == 3


def test_titles_hold_the_images_own_scores(data, evidence):
    cell = data.cells[0]
    images, scores = evidence.image_scores(cell.key)
    board = RunBoards(evidence, ["Dice", "IoU"]).comparison([cell], [("", str(images[3]))])
    assert board.rows[0][2].title.replace("\u00a0", " ") == f"Dice {scores['Dice'][3]:.2f}, IoU {scores['IoU'][3]:.2f}"
    assert board.row_titles == (str(images[3]),)


def test_the_best_mask_is_the_one_with_the_highest_predicted_score(data, evidence):
    cell = next(cell for cell in data.cells if cell.prompter == "toy-oracle")
    images = [str(image) for image in evidence.cells[cell.key].table.images]
    best = max(evidence.cells[cell.key].prediction(image).segmentation.mask_scores.max() for image in images)
    board = RunBoards(evidence).best_masks([cell], images)
    (panel,) = board.panels
    assert f"predicted IoU {best:.3f}" in panel.title
    assert float(panel.title.rpartition(" ")[2]) > 0.5, "the mask of an oracle's point is of its object"


def test_cells_without_prompts_have_no_prompts_drawn(data, evidence):
    plain = [cell for cell in data.cells if cell.prompter == "none"]
    assert RunBoards(evidence).prompts(plain, [("", "disc0")]) is None
    assert RunBoards(evidence).best_masks(plain, ["disc0"]) is None


def test_the_interval_chart_shows_the_leaderboards_numbers(data):
    axes = charts.interval_chart(data, ["Dice"]).axes[0]
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    rows = [row for table in data.tables for row in table.rows]
    assert points == [row.scores["Dice"].value for row in rows]
    spans = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() != "o"]
    assert spans == [(row.scores["Dice"].low, row.scores["Dice"].high) for row in rows]


def test_the_threshold_chart_shows_f1_at_every_threshold(data):
    axes = charts.threshold_chart(data).axes[0]
    row = data.tables[0].rows[0]
    line = axes.lines[0]
    assert [f"{t:g}" for t in line.get_xdata()] == [f"{k / 20:g}" for k in range(10, 20)]
    assert list(line.get_ydata()) == [row.scores[f"F1@{k / 20:g}"].value for k in range(10, 20)]


def test_training_curves_come_from_the_card_and_mark_the_kept_epoch(figures, tmp_path):
    history = {"epoch": [1, 2, 3], "loss": [3.0, None, 1.0], "validation_score": [0.1, 0.9, 0.5]}
    write_checkpoint(tmp_path / "mine.safetensors", {}, Card(component="unet", history=history))
    result, found = figures("--figure", "training", "--checkpoint", tmp_path / "mine.safetensors")
    assert (result.code, found) == (0, ["training.png"])
    losses, scores = charts.training_chart({"mine": history}).axes
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), [3, np.nan, 1])
    assert list(scores.lines[0].get_ydata()) == history["validation_score"]
    assert list(scores.lines[1].get_xdata()) == [2, 2]


def test_training_curves_have_readable_names_in_a_legend_beside_the_panels_and_labels_within_the_page():
    measured = {"validation_dice_box": [0.2, 0.4], "validation_ap50_95": [0.1, 0.3], "validation_score": [0.1, 0.3]}
    long = {"epoch": [1, 2], "loss": [123456.0, 654321.0], **measured}
    drawn = charts.training_chart(dict.fromkeys(("a", "b", "c", "d"), long))
    drawn.canvas.draw()
    legend = drawn.legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["loss", "Dice, box prompts", "AP@0.5:0.95", "score that chooses the epoch", "kept epoch"]
    page = drawn.bbox
    panels = [axes.get_tightbbox() for axes in drawn.axes if axes.get_visible()]
    assert len(panels) == 8
    for box in (*panels, legend.get_window_extent()):
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    assert not any(legend.get_window_extent().overlaps(box) for box in panels)


def test_a_checkpoint_without_a_history_says_so(figures, tmp_path):
    write_checkpoint(tmp_path / "old.safetensors", {}, Card(component="unet"))
    result, found = figures("--figure", "training", "--checkpoint", tmp_path / "old.safetensors")
    assert (result.code, found) == (2, [])
    assert "old.safetensors says nothing about its training's course" in result.err
