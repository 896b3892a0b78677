"""``show`` previews a data source or a run's predictions: where the picture goes, and what is on it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mitobench_cli.drawing import display
from mitobench_cli.drawing.boards import Board, Panel

BOARD = Board(rows=((Panel(picture=np.full((8, 8, 3), 90, np.uint8), title="one"),),))


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_samples_are_written_to_the_file_asked_for(mitobench, tmp_path):
    result = mitobench("show", "toy-discs:n=3", "--out", "s.png", "--dpi", 50)
    assert (result.code, result.out.strip()) == (0, "s.png")
    assert pixels(tmp_path / "s.png").std() > 5


def test_where_stdout_is_no_terminal_a_new_files_path_is_said(mitobench):
    result = mitobench("show", "toy-discs:n=2", "--dpi", 50)
    path = Path(result.out.strip())
    assert result.code == 0
    assert pixels(path).ndim == 3
    path.unlink()


@pytest.mark.parametrize("prompter", ["toy-centres", "toy-oracle", "gt-box"])
def test_prompts_are_drawn_over_the_samples(mitobench, tmp_path, prompter):
    mitobench("show", "toy-discs:n=1", "--out", "plain.png", "--dpi", 80)
    assert mitobench("show", "toy-discs:n=1", "--prompter", prompter, "--out", "p.png", "--dpi", 80).code == 0
    assert not np.array_equal(pixels(tmp_path / "plain.png"), pixels(tmp_path / "p.png"))


def test_augmentations_are_shown(mitobench, tmp_path):
    assert mitobench("show", "toy-discs:n=1", "--augmentation", "broad", "--out", "a.png", "--dpi", 40).code == 0
    assert pixels(tmp_path / "a.png").shape[1] > 250


def test_either_augmentation_is_shown_before_or_after_the_data(mitobench, tmp_path):
    for before, after in ((["--augmentation", "published"], []), ([], ["--augmentation", "broad"])):
        name = (before + after)[-1]
        assert mitobench("show", *before, "toy-discs:n=1", *after, "--out", f"{name}.svg", "--dpi", 30).code == 0
    published, broad = (tmp_path / f"{name}.svg" for name in ("published", "broad"))
    assert "<!-- elastic field -->" in published.read_text()
    assert "<!-- negative -->" in broad.read_text()
    assert "<!-- elastic field -->" not in broad.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy-discs", "--out", "x.jpg"), "ends in .png, .svg, .pdf"),
        (("toy-discs:n=3", "--image", "nosuch"), "There are 3, such as: disc0, disc1, disc2"),
        (("toy-discs", "--cell", "x"), "--cell does not go with a DATA"),
        (("toy-discs", "--augmentation", "narrow"), "is not one of 'published', 'broad'"),
        (("toy-discs", "--augmentation"), "'--augmentation' requires an argument"),
        (("toy-disks",), "toy-discs"),
        ((".",), "not a run folder"),
        (("runs/absent",), "not a run folder"),
        (("a.zip",), "a.zip: an export holds no images"),
    ],
)
def test_what_makes_no_sense_is_refused(mitobench, tmp_path, arguments, message):
    (tmp_path / "a.zip").write_bytes(b"PK")
    result = mitobench("show", *arguments)
    assert result.code == 2
    assert message in result.err


@pytest.mark.real_data
def test_real_sections_are_shown_with_their_scale(mitobench, real_data, tmp_path):
    files = f"images={real_data}/em-vnc/training.tif,labels={real_data}/em-vnc/training_groundtruth.tif"
    spec = f"tiff-stack:{files},sections=3,patch=512,pixel_size_nm=4.6"
    assert mitobench("show", spec, "-n", 2, "--prompter", "gt-point", "--out", "em.svg", "--dpi", 50).code == 0
    drawn = (tmp_path / "em.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("500 nm", "reference", "positive point"))


def test_an_oracle_cannot_prompt_without_a_reference(mitobench, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    result = mitobench("show", f"folder:images={tmp_path}", "--prompter", "gt-box")
    assert result.code == 3
    assert "has none" in result.err


def test_an_empty_data_source_is_said(mitobench):
    result = mitobench("show", "toy-discs:n=0")
    assert result.code == 3
    assert "no samples" in result.err


def test_the_predictions_of_a_run_are_shown(mitobench, tmp_path):
    run = ("run", "--data", "toy-discs:n=3", "--prompter", "toy-centres", "--segmenter", "toy-flood")
    assert mitobench(*run, "--metric", "toy-overlap", "--out", "r").code == 0
    assert mitobench("show", "r", "--image", "disc1", "--out", "one.png", "--dpi", 50).code == 0
    assert mitobench("show", "r", "--image", "disc1", "--cell", "toy-flood", "--out", "two.png", "--dpi", 50).code == 0
    np.testing.assert_array_equal(pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png"))
    assert mitobench("show", "r", "--out", "middle.png", "--dpi", 50).code == 0
    result = mitobench("show", "r", "--image", "nosuch")
    assert (result.code, "There are 3, such as: disc0" in result.err) == (2, True)
    assert mitobench("show", "r", "--prompter", "toy-centres").code == 2
    assert mitobench("show", "r", "--augmentation", "broad").code == 2
    (tmp_path / "r").rename(tmp_path / "r.zip")
    assert mitobench("show", "r.zip", "--image", "disc1", "--out", "three.png", "--dpi", 50).code == 0


def test_in_a_terminal_of_many_colours_the_picture_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(display, "_has_display", lambda: False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    assert display.present(BOARD, None) is None
    printed = capsys.readouterr().out
    assert "one" in printed
    assert printed.count("▀") == 60 * 30


def test_in_a_terminal_of_no_colours_a_file_is_written(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(display, "_has_display", lambda: False)
    monkeypatch.setenv("TERM", "dumb")
    path = display.present(BOARD, None, dpi=40)
    assert pixels(path).ndim == 3
    path.unlink()


def test_a_display_without_a_toolkit_opens_no_window(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert not display._show_window(display.board_figure(BOARD))
