"""Parts merge into one row per (cell, image), whatever their order."""

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench.results.tables import encode_rows, read_parts


def write(folder, name, rows):
    path = folder / f"{name}.images.parquet"
    path.write_bytes(encode_rows(rows))
    return path


def row(image, status="ok", cell="c", **rest):
    return {
        "cell": cell,
        "image": image,
        "group": "g",
        "status": status,
        "error": "" if status == "ok" else "bad",
        "error_kind": "",
        **rest,
    }


def test_no_parts_are_an_empty_table():
    table = read_parts([])
    assert table.cells() == []
    assert table.cell("c").images.size == 0
    assert table.finished("c", ["m"]) == set()


def test_rows_come_back_by_cell_sorted_by_image(tmp_path):
    parts = [
        write(tmp_path, "1", [row("b", **{"m.measured": True, "m/x": 2.0})]),
        write(tmp_path, "0", [row("a", **{"m.measured": True, "m/x": 1.0}), row("z", cell="d")]),
    ]
    table = read_parts(parts)
    assert table.cells() == ["c", "d"]
    names, values, measured = table.cell("c").statistics("m")
    assert (names, values.tolist(), measured.tolist()) == (("x",), [[1.0], [2.0]], [True, True])
    assert table.cell("c").images.tolist() == ["a", "b"]


@pytest.mark.parametrize("order", [("0", "1"), ("1", "0")])
def test_a_success_hides_the_failure_before_or_after_it(tmp_path, order):
    write(tmp_path, order[0], [row("a", "failed")])
    write(tmp_path, order[1], [row("a", **{"m.measured": True, "m/x": 3.0})])
    cell = read_parts(sorted(tmp_path.glob("*.parquet"))).cell("c")
    assert cell.status.tolist() == ["ok"]
    assert cell.errors.tolist() == [""]
    assert cell.statistics("m")[1].tolist() == [[3.0]]


def test_scores_added_later_join_their_row(tmp_path):
    write(tmp_path, "run", [row("a", seconds_encode=0.5, **{"m.error": "broke"})])
    write(tmp_path, "score", [{"cell": "c", "image": "a", "status": "ok", "m.measured": True, "m/x": 1.0}])
    table = read_parts(sorted(tmp_path.glob("*.parquet")))
    cell = table.cell("c")
    assert cell.costs["seconds_encode"].tolist() == [0.5]
    assert cell.statistics("m")[1].tolist() == [[1.0]]
    assert cell.metric_errors("m").tolist() == [""]
    assert table.finished("c", ["m"]) == {"a"}


def test_finished_means_ok_and_seen_by_every_metric(tmp_path):
    rows = [
        row("measured", **{"m.measured": True, "m/x": 1.0}),
        row("does-not-apply", **{"m.measured": False}),
        row("metric-failed", **{"m.error": "broke"}),
        row("failed", "failed"),
    ]
    table = read_parts([write(tmp_path, "0", rows)])
    assert table.finished("c", ["m"]) == {"measured", "does-not-apply"}
    assert table.finished("c", []) == {"measured", "does-not-apply", "metric-failed"}
    assert table.finished("c", ["other"]) == set()
    assert table.cell("c").metric_errors("m").tolist() == ["", "", "", "broke"] or sorted(
        table.cell("c").metric_errors("m")
    ) == ["", "", "", "broke"]


def test_an_unmeasured_image_adds_nothing_to_sums(tmp_path):
    part = write(tmp_path, "0", [row("a", **{"m.measured": False}), row("b", **{"m.measured": True, "m/x": 5.0})])
    _, values, measured = read_parts([part]).cell("c").statistics("m")
    assert values.tolist() == [[0.0], [5.0]]
    assert measured.tolist() == [False, True]


def test_a_damaged_part_is_named_with_what_to_do(tmp_path):
    path = write(tmp_path, "0", [row("a")])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"0\.images\.parquet: damaged .* Delete this file"):
        read_parts([path])


def test_strange_names_survive(tmp_path):
    names = ["<img onerror=x>", "=cmd()", "../../x", "A", "a", "\u00fc\u4e2d", "x" * 250]
    table = read_parts([write(tmp_path, "0", [row(name) for name in names])])
    assert sorted(table.cell("c").images.tolist()) == sorted(names)


def test_missing_costs_are_nan(tmp_path):
    assert np.isnan(read_parts([write(tmp_path, "0", [row("a")])]).cell("c").costs["seconds_prompt"]).all()
