"""A matrix of four prompters and three segmenters on the real data sets ends in a page with all of it."""

import re

import pytest
from click.testing import CliRunner

from mitobench_cli.main import cli

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_run_on_both_data_sets_writes_the_page(real_data, tmp_path):
    em, nuclei = real_data / "em-vnc", real_data / "nuclei-dsb2018"
    stack = f"images={em / 'training.tif'},labels={em / 'training_groundtruth.tif'}"
    words = ["--data", f"tiff-stack:{stack},sections=10-11,split=test,patch=256"]
    words += ["--data", f"folder:root={nuclei},split=test,train=0.8"]
    for prompter in ("unet", "grid:side=6", "gt-box", "gt-point"):
        words += ["--prompter", prompter]
    for segmenter in ("sam:model=tiny", "sam-ft", "unet"):
        words += ["--segmenter", segmenter]
    done = CliRunner().invoke(cli, ["run", *words, "--limit", "2", "--offline", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "run" / "report" / "leaderboard.html").read_text(encoding="utf-8")
    assert len(page) < 25e6
    assert len(re.findall(r'<section class="board"', page)) == 4, "two data sources, automatic and oracle apart"
    assert len(re.findall(r'<div id="cell-[0-9a-f]+" class="target"', page)) == 2 * (2 * 4 + 1)
    tiles = re.findall(r'<div class="tile p\d+" role="img"', page)
    assert len(tiles) >= 2 * (2 * 4 + 1), "a picture of every cell"
    for chart in ("intervals", "pareto", "distributions", "matrix", "thresholds", "sizes", "f1-confidence"):
        assert f'data-chart="{chart}"' in page
