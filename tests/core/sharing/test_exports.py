"""A run as one file: the same leaderboard and the same bytes, and nothing in it tells where or by whom it was made."""

import getpass
import io
import json
import platform
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mitobench.errors import DataError, UsageError
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.results.parts import compact
from mitobench.results.runfolder import RunFolder
from mitobench.sharing.exports import check_export, export_run, open_runs


@pytest.fixture
def export(bench):
    def export(path, out, **options):
        return export_run(RunFolder.open(path), out, bench.plugins, **options)

    return export


def board(bench, *paths):
    return build_leaderboard(Evidence(open_runs(paths), bench.plugins), resamples=50).to_data()


def contents(path):
    """Every byte that an export holds, and every text in its tables."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pieces = [path.read_bytes(), *members.values()]
    for name, content in members.items():
        if name.endswith(".parquet"):
            table = pq.ParquetFile(io.BytesIO(content)).read()
            pieces += [repr(table.to_pydict()).encode(), repr(table.schema.metadata).encode()]
    return b"\n".join(pieces)


def test_an_export_gives_the_leaderboard_of_its_run(bench, export, tmp_path):
    bench.run(tmp_path / "run", prompters=("toy-centres", "toy-oracle"), segmenters=("toy-threshold", "toy-flood"))
    done = export(tmp_path / "run", tmp_path / "run.zip")
    assert (done.cells, done.results, done.predictions) == (3, 18, 0)
    assert board(bench, tmp_path / "run.zip") == board(bench, tmp_path / "run")


def test_one_run_gives_the_same_bytes_however_its_parts_lie(bench, export, tmp_path):
    bench.run(tmp_path / "run", batch=1, segmenters="toy-threshold", metrics=("toy-overlap", "instance"))
    hashes = [export(tmp_path / "run", tmp_path / f"{i}.zip", predictions=True).sha256 for i in range(2)]
    assert compact(tmp_path / "run" / "parts", above=1)
    hashes.append(export(tmp_path / "run", tmp_path / "other" / "name.zip", predictions=True).sha256)
    assert len(set(hashes)) == 1


def test_nothing_tells_where_by_whom_or_on_which_host(bench, export, tmp_path, monkeypatch):
    home = tmp_path / "home" / "ada-lovelace"
    secret = home / "secret project"
    secret.mkdir(parents=True)
    points = secret / "points.csv"
    points.write_text("image,x,y\n" + "".join(f"disc{i},12,12\n" for i in range(6)))
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(getpass, "getuser", lambda: "ada-lovelace")
    monkeypatch.setattr(platform, "node", lambda: "workstation-9.lab.example")
    bench.base = secret
    bench.run(
        secret / "runs" / "mine",
        prompters=(f"manual:path='{points}'", "toy-centres:fail_on=disc3"),
        segmenters="toy-flood",
        metrics=("toy-overlap:fail_on=disc2", "instance"),
    )
    folder = RunFolder.open(secret / "runs" / "mine")
    message = (
        f"{secret / 'x y.tif'}: of ada-lovelace on workstation-9 at C:\\Users\\Ada\\w.tif or /mnt/lab/z.tif is bad"
    )
    cell = next(iter(folder.record()["cells"]))
    asked = folder.record()["cells"][cell]
    folder.remember(cells={cell: {**asked, "total": 7}}, metrics={}, request={})
    row = {"cell": cell, "image": "disc9", "status": "failed", "error": message, "error_kind": "DataError"}
    folder.write_part("later", [row], [])
    private = [str(tmp_path), "ada-lovelace", "secret project", "workstation-9", "/mnt/lab", "Users", str(Path.cwd())]
    raw = (folder.path / "run.json").read_text() + repr(folder.results().rows.to_pydict())
    assert all(text in raw for text in private[:3])
    export(folder.path, tmp_path / "out.zip", predictions=True)
    found = contents(tmp_path / "out.zip")
    assert [text for text in private if text.encode() in found] == []
    assert b"x y.tif: of user on host at w.tif or z.tif is bad" in found
    assert b"no prompts for disc3" in found
    assert b"points.csv" in found


def test_a_metric_with_options_is_built_again_from_an_export(bench, export, tmp_path):
    bench.run(tmp_path / "run", metrics=("toy-overlap:margin=1", "instance:convention=stardist"))
    export(tmp_path / "run", tmp_path / "run.zip")
    (table,) = board(bench, tmp_path / "run.zip")["tables"]
    assert table == board(bench, tmp_path / "run")["tables"][0]
    assert {"Dice", "F1@0.5 [stardist]"} <= set(table["rows"][0]["scores"])


def test_predictions_are_unpacked_when_they_are_asked_for(bench, export, tmp_path):
    bench.run(tmp_path / "run")
    assert export(tmp_path / "run", tmp_path / "run.zip", predictions=True).predictions == 6
    (run,) = open_runs([tmp_path / "run.zip"])
    assert not (run.path / "predictions").exists()
    evidence, original = (Evidence([r], bench.plugins) for r in (run, RunFolder.open(tmp_path / "run")))
    (cell,) = evidence.cells
    found, expected = (e.cells[cell].prediction("disc3").segmentation for e in (evidence, original))
    assert (found.labels == expected.labels).all()
    assert found.labels.any()
    export(tmp_path / "run", tmp_path / "bare.zip")
    (bare,) = open_runs([tmp_path / "bare.zip"])
    with pytest.raises(DataError, match=r"bare\.zip: holds no predictions of this cell"):
        Evidence([bare], bench.plugins).cells[cell].prediction("disc3")


def test_the_data_source_that_an_export_names_is_opened_only_as_a_run_folder_says(bench, export, tmp_path, monkeypatch):
    from mitobench.ranking import evidence as module

    bench.run(tmp_path / "run")
    bench.run(tmp_path / "mine", segmenters="toy-threshold:threshold=100")
    export(tmp_path / "run", tmp_path / "run.zip", predictions=True)
    (theirs,) = open_runs([tmp_path / "run.zip"])
    (cell,) = theirs.record()["cells"]
    both = Evidence([theirs, RunFolder.open(tmp_path / "mine")], bench.plugins)
    assert both.cells[cell].folder is theirs
    assert both.sample(cell, "disc3").id == "disc3"
    monkeypatch.setattr(module, "reopen", lambda *_args, **_options: pytest.fail("was opened"))
    with pytest.raises(DataError, match=r"run\.zip: an export holds no images"):
        Evidence([theirs], bench.plugins).sample(cell, "disc3")


def test_what_was_unpacked_goes_with_the_run(bench, export, tmp_path):
    bench.run(tmp_path / "run")
    export(tmp_path / "run", tmp_path / "run.zip")
    (run,) = open_runs([tmp_path / "run.zip"])
    folder = run.path
    assert folder.is_dir()
    del run
    assert not folder.exists()


def test_a_folder_of_exports_and_runs_is_opened_whole(bench, export, tmp_path):
    every = tmp_path / "all"
    for name, segmenter in (
        ("a", "toy-threshold"),
        ("b", "toy-threshold:threshold=100"),
        ("c", "toy-threshold:threshold=120"),
    ):
        bench.run(tmp_path / name, segmenters=segmenter)
        export(tmp_path / name, every / "deep" / f"{name}.zip")
    (every / ".git").mkdir()
    (every / ".git" / "x.zip").write_bytes(b"")
    (every / "README.md").write_text("not a run")
    (tmp_path / "a").rename(every / "a")
    assert [run.path.name == "a" for run in open_runs([every])] == [True, False, False, False]
    (table,) = board(bench, every)["tables"]
    assert {row["segmenter"] for row in table["rows"]} == {
        "toy-threshold",
        "toy-threshold:threshold=100",
        "toy-threshold:threshold=120",
    }
    assert len(open_runs([every, every / "a", every / "a" / "run.json", every / "deep" / "a.zip"])) == 4


def test_what_cannot_be_exported_or_opened(bench, export, tmp_path):
    RunFolder.create_or_open(tmp_path / "empty")
    with pytest.raises(UsageError, match="no results yet"):
        export(tmp_path / "empty", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
    (tmp_path / "nothing").mkdir()
    for path in (tmp_path / "nothing", tmp_path / "absent"):
        with pytest.raises(UsageError, match="no run here"):
            open_runs([path])


@pytest.mark.parametrize(
    "image",
    [
        *("{here}/run/a", "scan of {here}", "/mnt/lab/a", "D:\\lab\\a", "\\\\nas\\lab\\a", "x /home/ada"),
        *(
            "scan of /mnt/lab/a",
            "of D:\\lab\\a",
            "at \\\\nas\\lab\\a",
            "ada-lovelace/3",
            "scan_Ada-Lovelace_3",
            "workstation-9 4",
        ),
    ],
)
def test_an_image_named_by_a_path_or_a_person_or_the_host_is_refused(bench, export, tmp_path, monkeypatch, image):
    monkeypatch.setattr(getpass, "getuser", lambda: "ada-lovelace")
    monkeypatch.setattr(platform, "node", lambda: "workstation-9.lab.example")
    bench.run(tmp_path / "run", limit=1)
    folder = RunFolder.open(tmp_path / "run")
    (cell,) = folder.record()["cells"]
    folder.write_part("odd", [{"cell": cell, "image": image.format(here=tmp_path), "status": "ok"}], [])
    with pytest.raises(DataError, match="column image"):
        export(tmp_path / "run", tmp_path / "x.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_hostile_names_survive_the_way(bench, export, tmp_path):
    bench.run(tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    (cell,) = folder.record()["cells"]
    names = ["<img onerror=x>", "=cmd()", "../../x", "A", "a", "\u202e"]
    folder.remember(cells={cell: {**folder.record()["cells"][cell], "total": 12}}, metrics={}, request={})
    folder.write_part("odd", [{"cell": cell, "image": name, "status": "failed", "error": name} for name in names], [])
    export(tmp_path / "run", tmp_path / "x.zip", predictions=True)
    (run,) = open_runs([tmp_path / "x.zip"])
    assert set(names) <= set(run.results().rows["image"].to_pylist())


def test_the_manifest_names_every_file(bench, export, tmp_path):
    bench.run(tmp_path / "run")
    done = export(tmp_path / "run", tmp_path / "run.zip", predictions=True)
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest["files"]) == set(archive.namelist()) - {"manifest.json"}
        assert (manifest["format"], manifest["schema"]) == ("mitobench export", 1)
    assert check_export(tmp_path / "run.zip") == done
