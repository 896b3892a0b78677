"""Prompts for an image that no data source has are an error before anything is computed."""

import pytest

from mitobench.errors import DataError


def manual(tmp_path, *rows):
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["image,prompt,x,y", *rows]) + "\n")
    return f"manual:path={path}"


def test_rows_of_an_unknown_image_stop_the_run(bench, tmp_path):
    rows = [f"disc{i},1,12,12" for i in range(6)]
    asked = {"prompters": manual(tmp_path, *rows, "disk7,1,3,3"), "segmenters": "toy-flood"}
    with pytest.raises(DataError, match="'disk7' names no image"):
        bench.run(tmp_path / "run", **asked)
    assert not (tmp_path / "run" / "parts").exists()


def test_rows_beyond_the_limit_are_fine_and_so_are_two_data_sources(bench, tmp_path):
    rows = [f"disc{i},1,12,12" for i in range(6)]
    outcome = bench.run(
        tmp_path / "run",
        data=("toy-discs", "toy-discs:n=3"),
        prompters=manual(tmp_path, *rows),
        segmenters="toy-flood",
        limit=2,
    )
    assert outcome.done == 4


def test_a_changed_file_is_another_cell_and_a_moved_one_is_not(bench, tmp_path):
    rows = [f"disc{i},1,12,12" for i in range(6)]
    before = bench.plan(prompters=manual(tmp_path, *rows), segmenters="toy-flood").cells[0].key
    (tmp_path / "elsewhere").mkdir()
    moved = bench.plan(prompters=manual(tmp_path / "elsewhere", *rows), segmenters="toy-flood").cells[0].key
    changed = bench.plan(prompters=manual(tmp_path, *rows[:-1], "disc5,1,13,12"), segmenters="toy-flood").cells[0].key
    assert before == moved != changed
