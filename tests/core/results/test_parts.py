"""Many parts become one, and whatever happens meanwhile the run reads the same."""

import itertools
import shutil

import pyarrow.parquet as pq
import pytest

from mitobench.errors import DataError
from mitobench.ranking.evidence import Evidence
from mitobench.results.parts import compact, merged_objects
from mitobench.results.runfolder import RunFolder


@pytest.fixture
def run(bench, tmp_path):
    """A run of six parts with a failure that was healed and a metric that was added later."""
    asked = {"prompters": "toy-centres", "segmenters": ("toy-threshold", "toy-flood"), "data": "toy-discs:groups=3"}
    bench.run(tmp_path / "run", batch=1, limit=4, metrics=("toy-overlap",), **asked)
    bench.run(tmp_path / "run", batch=2, metrics=("toy-overlap", "toy-prompted", "instance"), **asked)
    return tmp_path / "run"


def seen(path, bench):
    folder = RunFolder.open(path)
    table = folder.results().rows
    evidence = Evidence([folder], bench.plugins)
    objects = {}
    for cell, metric in itertools.product(evidence.cells, evidence.metrics):
        found = evidence.objects(cell, metric)
        for place, image in enumerate(found.images):
            rows = objects.setdefault((cell, metric, image), [])
            rows.append({name: repr(column[place]) for name, column in found.columns.items()})
    assert objects
    return table.select(sorted(table.column_names)).to_pylist(), objects, bench.leaderboard(path).to_data()


def test_a_compacted_run_reads_the_same_from_one_part(run, bench):
    before = seen(run, bench)
    many = len(list((run / "parts").glob("*.images.parquet")))
    assert many > 4
    assert not compact(run / "parts", above=many)
    assert compact(run / "parts", above=many - 1)
    assert len(list((run / "parts").iterdir())) == 2
    assert seen(run, bench) == before
    assert not compact(run / "parts", above=1)


def test_a_crash_at_any_moment_changes_nothing(run, bench, tmp_path):
    before = seen(run, bench)
    old = sorted((run / "parts").iterdir())
    shutil.copytree(run, tmp_path / "compacted")
    assert compact(tmp_path / "compacted" / "parts", above=1)
    new = sorted((tmp_path / "compacted" / "parts").iterdir(), key=lambda p: ".images." in p.name)
    images = [path for path in old if ".images." in path.name]
    removed = [p for i in images for p in (i, i.with_name(i.name.replace(".images.", ".objects."))) if p.exists()]
    assert sorted(removed) == old
    for step in range(len(new) + len(removed) + 1):
        state = tmp_path / f"state{step}"
        shutil.copytree(run, state)
        for path in new[:step]:
            shutil.copy(path, state / "parts")
        for path in removed[: max(0, step - len(new))]:
            (state / "parts" / path.name).unlink()
        assert seen(state, bench) == before, step


def test_a_compacted_run_goes_on(run, bench):
    compact(run / "parts", above=1)
    again = bench.run(run, batch=1, prompters="toy-centres", segmenters="toy-flood", data="toy-discs:groups=3")
    assert (again.done, again.skipped) == (0, 6)
    more = bench.run(run, batch=1, segmenters="toy-threshold:threshold=99", data="toy-discs:groups=3")
    assert more.done == 6


def test_objects_count_only_with_their_images_and_only_once(run, tmp_path):
    parts = run / "parts"
    expected = merged_objects(parts)
    first = min(parts.glob("*.objects.parquet"))
    shutil.copy(first, parts / "zz-again.objects.parquet")
    assert merged_objects(parts).equals(expected)
    shutil.copy(first.with_name(first.name.replace(".objects.", ".images.")), parts / "zz-again.images.parquet")
    assert merged_objects(parts).equals(expected)
    assert len(expected) > pq.ParquetFile(first).metadata.num_rows
    assert merged_objects(tmp_path) is None
    first.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="damaged"):
        merged_objects(parts)


def test_a_run_of_many_parts_ends_with_one(bench, tmp_path, monkeypatch):
    bench.run(tmp_path / "few", batch=1, segmenters="toy-threshold")
    monkeypatch.setattr("mitobench.runner.MOST_PARTS", 5)
    bench.run(tmp_path / "many", batch=1, segmenters="toy-threshold")
    counts = [len(list((tmp_path / name / "parts").glob("*.images.parquet"))) for name in ("few", "many")]
    assert counts == [6, 1]
    assert bench.leaderboard(tmp_path / "few").to_data() == bench.leaderboard(tmp_path / "many").to_data()
