"""Exports from strangers: whatever is in them, one clear line, nothing outside, nothing huge, nothing run."""

import io
import json
import pickle
import stat
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mitobench.errors import DataError
from mitobench.results.runfolder import RunFolder
from mitobench.sharing.archives import ExportArchive
from mitobench.sharing.exports import check_export, export_run, open_runs

_MADE: dict[str, bytes] = {}


@pytest.fixture
def sound(bench, tmp_path):
    """A sound export, as a mapping from names to contents; made once."""
    if not _MADE:
        bench.run(tmp_path / "run", limit=2)
        export_run(RunFolder.open(tmp_path / "run"), tmp_path / "sound.zip", bench.plugins, predictions=True)
        with zipfile.ZipFile(tmp_path / "sound.zip") as archive:
            _MADE.update({name: archive.read(name) for name in archive.namelist()})
    return dict(_MADE)


@pytest.fixture
def pack(tmp_path):
    """Write an archive with a manifest that fits, unless one is given."""

    def pack(files, *, compression=zipfile.ZIP_DEFLATED, extra=()):
        from hashlib import sha256

        files = dict(files)
        old = json.loads(files.pop("manifest.json"))
        listed = {n: {"bytes": len(c), "sha256": sha256(c).hexdigest()} for n, c in files.items()}
        path = tmp_path / "sent.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            for info, content in extra:
                archive.writestr(info, content)
                listed[info.filename] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
            archive.writestr("manifest.json", json.dumps({**old, "files": listed}))
        return path

    return pack


def refused(path, match, *, opening=open_runs):
    with pytest.raises(DataError, match=match) as raised:
        opening([path]) if opening is open_runs else opening(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def with_record(sound, change):
    record = json.loads(sound["run.json"])
    change(record)
    return {**sound, "run.json": json.dumps(record).encode()}


def only_cell(record):
    return next(iter(record["cells"].values()))


def test_one_that_was_packed_again_is_as_good(sound, pack):
    path = pack(sound)
    assert check_export(path).results == 2
    assert len(open_runs([path])[0].results().rows) == 2


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "/etc/evil",
        "parts/../../evil.images.parquet",
        "C:\\evil",
        "parts\\evil.images.parquet",
        "predictions/" + "a" * 32 + "/../../evil.tif",
        "parts/evil.pkl",
        "parts/sub/evil.images.parquet",
        "parts/" + "a" * 300 + ".images.parquet",
        "report/leaderboard.html",
        "parts/",
        "parts/.hidden.images.parquet",
        "parts/more.images.parquet",
        "parts/results2.objects.parquet",
    ],
)
def test_any_other_name_is_refused_before_anything_is_written(sound, pack, tmp_path, name):
    before = {p for p in tmp_path.rglob("*") if p.name != "sent.zip"}
    refused(pack({**sound, name: b"x"}), "which no export does")
    assert {p for p in tmp_path.rglob("*") if p.name != "sent.zip"} == before


def test_links_encryption_doubled_names_and_other_compression_are_refused(sound, pack):
    link = zipfile.ZipInfo("parts/results.objects.parquet")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(pack(sound, extra=[(link, b"/etc/passwd")]), "link or encrypted")
    twin = zipfile.ZipInfo("parts/RESULTS.images.parquet")
    refused(pack(sound, extra=[(twin, b"x")]), "differ only in case")
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = pack(sound, extra=[(zipfile.ZipInfo("run.json"), b"{}")])
    refused(doubled, "a name occurs twice")
    refused(pack(sound, compression=zipfile.ZIP_LZMA), "compressed in a way")


def test_bombs_are_refused_by_what_they_claim(sound, pack, tmp_path):
    refused(pack({**sound, "parts/results.objects.parquet": bytes(1 << 24)}), "claims 16777216 bytes")
    path = pack(sound)
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\5\6")
    content[end + 12 : end + 16] = struct.pack("<I", 1 << 30)
    path.write_bytes(content)
    refused(path, "listing claims 1073741824 bytes")


def parquet(table):
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def test_a_table_that_unfolds_into_far_more_than_it_is_on_disk_is_refused(sound, pack, monkeypatch):
    rows = pa.table({"cell": ["c"] * 1000, "image": ["x" * 10_000] * 1000, "status": ["ok"] * 1000})
    assert len(parquet(rows)) < 3000
    small = with_record(sound, lambda r: only_cell(r).update(total=1000))
    small["parts/results.images.parquet"] = parquet(rows)
    monkeypatch.setattr("mitobench.sharing.exported._MOST_TEXT", 10_003_001)
    assert len(open_runs([pack(small)])) == 1
    monkeypatch.setattr("mitobench.sharing.exported._MOST_TEXT", 10_000_000)
    refused(pack(small), "texts are longer than is read")
    monkeypatch.setattr("mitobench.sharing.exported._MOST_VALUES", 2999)
    refused(pack(small), "1000 rows of 3 columns are more than is read")


@pytest.mark.parametrize("kind", ["images", "objects"])
def test_many_rows_must_take_room_on_disk_as_measurements_do(sound, pack, kind):
    count, last = 900_000, {"images": "status", "objects": "metric"}[kind]
    texts = {
        name: pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int8()), ["x"]).cast("string")
        for name in ("cell", "image", last)
    }
    table = pa.table({**texts, **{f"m@1/{i}": pa.array([0.0]).take(pa.array([0] * count)) for i in range(17)}})
    bomb = with_record(sound, lambda r: only_cell(r).update(total=count))
    bomb[f"parts/results.{kind}.parquet"] = parquet(table)
    assert len(bomb[f"parts/results.{kind}.parquet"]) < 100_000
    refused(pack(bomb, compression=zipfile.ZIP_STORED), "900000 rows of 20 columns are more than is read")
    few = {**bomb, f"parts/results.{kind}.parquet": parquet(table.slice(0, 500_000))}
    assert open_runs([pack(few, compression=zipfile.ZIP_STORED)])


def test_there_are_no_more_results_than_the_cells_were_asked_for(sound, pack):
    few = pa.table({"cell": ["c"] * 3, "image": ["a", "b", "c"], "status": ["ok"] * 3})
    refused(pack({**sound, "parts/results.images.parquet": parquet(few)}), "3 results, but its cells were asked for 2")


def test_predictions_are_not_of_images_larger_than_is_read(sound, pack):
    def table(height):
        return parquet(
            pa.table({"cell": ["c"], "image": ["a"], "status": ["ok"], "height": [height], "width": [1 << 14]})
        )

    assert open_runs([pack({**sound, "parts/results.images.parquet": table(1 << 14)})])
    large = {**sound, "parts/results.images.parquet": table((1 << 14) + 1)}
    refused(pack(large), "predictions of images of 268451840 pixels")
    assert open_runs([pack({name: content for name, content in large.items() if "predictions" not in name})])


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (pa.table({"image": ["a"], "status": ["ok"]}), "no column cell"),
        (pa.table({"cell": ["a"], "image": [3], "status": ["ok"]}), "column 'image' is int64"),
        (pa.table([["a"], ["b"], ["ok"], ["x"]], ["cell", "image", "status", "image"]), "two columns have one name"),
        (
            pa.table({"cell": ["a"], "image": ["b"], "status": ["ok"], "x": pa.array(["y"]).dictionary_encode()}),
            "dictionary",
        ),
        (pa.table({"cell": ["a"], "image": ["b"], "status": ["ok"], "x": [[1]]}), "column 'x' is list"),
        (pa.table({"cell": ["a"], "image": ["b"], "status": ["ok"], "m.error": [1.5]}), "column 'm.error' is double"),
    ],
)
def test_columns_of_another_kind_are_refused(sound, pack, table, match):
    refused(pack({**sound, "parts/results.images.parquet": parquet(table)}), match)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"<html>"])
def test_a_part_that_is_no_table(sound, pack, content):
    refused(pack({**sound, "parts/results.images.parquet": content}), "results.images.parquet")


def test_an_altered_byte_anywhere_is_noticed(sound, pack):
    path = pack(sound, compression=zipfile.ZIP_STORED)
    whole = path.read_bytes()
    for name, content in sound.items():
        if name == "manifest.json" or not content:
            continue
        place = whole.index(content) + len(content) // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(path, "not a whole export", opening=check_export)


def test_a_file_that_is_cut_short_or_no_zip_at_all(sound, pack, tmp_path):
    path = pack(sound)
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], whole[:-10], b"<html>not found</html>"):
        path.write_bytes(content)
        refused(path, "not a whole export of mitobench")


def test_the_manifest_and_the_files_must_agree(sound, tmp_path):
    def write(manifest, files=sound):
        path = tmp_path / "sent.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                if name != "manifest.json":
                    archive.writestr(name, content)
            if manifest is not None:
                archive.writestr("manifest.json", manifest)
        return path

    manifest = json.loads(sound["manifest.json"])
    lacking = {**manifest, "files": {n: f for n, f in manifest["files"].items() if n != "run.json"}}
    swapped = {**manifest, "files": {**manifest["files"], "run.json": {"bytes": 1, "sha256": "0" * 64}}}
    refused(write(None), "no manifest.json")
    refused(write("[" * 100_000), "manifest.json")
    refused(write("[]"), "manifest.json")
    refused(write(json.dumps(lacking)), "disagree about 'run.json'")
    refused(write(json.dumps({**manifest, "schema": 99})), "an export of schema 99")
    refused(write(json.dumps({**manifest, "format": "x"})), "not that of an export")
    refused(write(json.dumps(swapped)), "SHA-256 differs")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda r: r.pop("cells"), "cells: Field required"),
        (lambda r: r.update(schema=2), "schema"),
        (lambda r: only_cell(r).pop("segmenter"), "segmenter: Field required"),
        (lambda r: only_cell(r).update(total=-1), "total"),
        (lambda r: only_cell(r)["data"]["identity"].update(fingerprint=3), "has no fingerprint"),
        (lambda r: only_cell(r)["segmenter"].update(label=["x"]), "label"),
        (lambda r: only_cell(r)["segmenter"]["identity"].update(version=9), "not the one that its components make"),
        (lambda r: only_cell(r).update(seed=5), "not the one that its components make"),
        (lambda r: only_cell(r)["data"]["identity"].update(x=float("nan")), "not the one that its components make"),
        (lambda r: next(iter(r["metrics"].values()))["identity"].pop("component"), "names no component"),
        (lambda r: only_cell(r)["data"]["identity"].update(options=3), "no version or options"),
        (lambda r: r["requests"][0].update(cells=3), "requests: Value error, cells is int"),
    ],
)
def test_a_record_that_makes_no_sense_or_claims_another_cell(sound, pack, change, match):
    refused(pack(with_record(sound, change)), match)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../x", "~/x", "~", "C:\\x", "\\\\host\\x", ["/etc/passwd"], {"a": "../x"}]
)
def test_options_that_lead_out_of_the_export_are_refused(sound, pack, path):
    refused(
        pack(with_record(sound, lambda r: only_cell(r)["data"]["given"].update(root=path))), "path out of the export"
    )
    metric = with_record(sound, lambda r: next(iter(r["metrics"].values()))["given"].update(x=path))
    refused(pack(metric), "path out of the export")


def test_relative_paths_start_from_an_empty_place_and_not_from_the_readers_folder(sound, pack, tmp_path):
    given = with_record(sound, lambda r: only_cell(r)["data"].update(base=str(tmp_path), given={"root": "run"}))
    (run,) = open_runs([pack(given)])
    base = Path(only_cell(run.record())["data"]["base"])
    assert base.is_absolute()
    assert not base.exists()
    assert run.source == tmp_path / "sent.zip"


def test_a_pickle_in_a_prediction_is_never_loaded(sound, pack, tmp_path, bench):
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    (name,) = [n for n in sound if n.endswith(".npz")][:1]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        header = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(127) + b"\n"
        archive.writestr("about.npy", header + pickle.dumps(Evil()))
    from mitobench.ranking.evidence import Evidence

    (run,) = open_runs([pack({**sound, name: packed.getvalue()})])
    (cell,) = run.record()["cells"]
    images = run.results().rows["image"].to_pylist()
    failures = 0
    for image in images:
        try:
            Evidence([run], bench.plugins).cells[cell].prediction(image)
        except DataError:
            failures += 1
    assert failures == 1
    assert not marker.exists()


def test_a_changed_prediction_is_noticed_when_it_is_unpacked(sound, pack):
    path = pack(sound, compression=zipfile.ZIP_STORED)
    content = next(c for n, c in sound.items() if n.endswith(".tif"))
    whole = path.read_bytes()
    place = whole.index(content) + 5
    path.write_bytes(whole[:place] + b"\xff\xff" + whole[place + 2 :])
    (run,) = open_runs([path])
    (cell,) = run.record()["cells"]
    with pytest.raises(DataError, match="not a whole export"):
        run.predictions(cell)


def test_names_are_listed_without_the_manifest(sound, pack):
    assert ExportArchive(pack(sound)).names == sorted(set(sound) - {"manifest.json"})
