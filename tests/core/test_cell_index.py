"""Beside the folders of predictions lies what each of them is."""

import csv

from mitobench.results.runfolder import RunFolder


def rows(path):
    with (path / "predictions" / "cells.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_folder_of_predictions_is_listed_with_what_made_it(bench, tmp_path):
    bench.run(tmp_path / "run", prompters=("toy-oracle", "toy-centres"), segmenters=("toy-flood",), limit=1)
    bench.run(tmp_path / "run", segmenters=("toy-threshold",), limit=1)
    found = rows(tmp_path / "run")
    folders = {path.name for path in (tmp_path / "run" / "predictions").iterdir() if path.is_dir()}
    assert {row["cell"] for row in found} == folders
    assert {(row["data"], row["prompter"], row["segmenter"], row["oracle"]) for row in found} == {
        ("toy-discs", "toy-oracle", "toy-flood", "yes"),
        ("toy-discs", "toy-centres", "toy-flood", "no"),
        ("toy-discs", "none", "toy-threshold", "no"),
    }


def test_hostile_labels_are_inert_there(tmp_path):
    folder = RunFolder.create_or_open(tmp_path / "run")
    hostile = ["=cmd()", "a\x1b[31m,b", ' "@x"\n']
    cell = {part: {"label": text} for part, text in zip(("data", "prompter", "segmenter"), hostile, strict=True)}
    folder.remember(cells={"k": {**cell, "oracle": False, "total": 0}}, metrics={}, request={})
    (row,) = rows(tmp_path / "run")
    assert (row["data"], row["prompter"], row["segmenter"]) == ("'=cmd()", r"a\x1b[31m,b", r' "@x"\n')
