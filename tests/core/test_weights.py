"""The weights store: located files are what they should be, and every failure says how to get the right one."""

import errno
import hashlib
import json
import os
import pickle
import sys
import threading
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mitobench import hookimpl
from mitobench.descriptors import SegmenterDescriptor, WeightsFile
from mitobench.errors import MissingError, ResourceError, UsageError
from mitobench.options import ComponentOptions, WeightsRef
from mitobench.plugins import Plugins
from mitobench.weights import CACHE_VARIABLE, WeightsStore, cache_root
from mitobench.weights.download import describe_content

GOOD = b"the weights" * 100
URL = "https://weights.example/files/net_01.pth"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def weights_file(name="net", data=GOOD, **changes) -> WeightsFile:
    fields = {"sha256": sha256(data), "size": len(data), "licence": "CC0-1.0", "citation": "us", "url": URL}
    return WeightsFile(name=name, **{**fields, **changes})


class Asking(ComponentOptions):
    """Asks for weights by name or path."""

    name: str = "net"
    path: Path | None = None

    def weights(self):
        return (WeightsRef(role="encoder", name=self.name, path=self.path),)


def plugins_with(monkeypatch, *owned: tuple[str, tuple[WeightsFile, ...]]) -> Plugins:
    """Plugins that offer one segmenter per (name, weights files)."""
    points = []
    for name, files in owned:
        module = types.ModuleType(f"weights_plugin_{name}")
        descriptor = SegmenterDescriptor(name=name, target="x:Y", summary="s", weights=files)
        module.mitobench_segmenters = hookimpl(lambda found=descriptor: [found], specname="mitobench_segmenters")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points.append(EntryPoint(name, module.__name__, "mitobench"))
    plugins = Plugins(points)
    assert plugins.warnings == []
    return plugins


class Server:
    """A downloader that gives what it is told to, and counts."""

    def __init__(self, data: bytes = GOOD) -> None:
        self.data = data
        self.asked: list[str] = []
        self.error: Exception | None = None

    def __call__(self, url, path, progress):
        self.asked.append(url)
        half = len(self.data) // 2
        with path.open("wb") as file:
            file.write(self.data[:half])
            progress(half, 0)
            if self.error is not None:
                raise self.error
            file.write(self.data[half:])
        progress(len(self.data), 0)


@pytest.fixture
def plugins(monkeypatch):
    return plugins_with(monkeypatch, ("seg", (weights_file(),)))


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def store(plugins, tmp_path, server):
    return WeightsStore(plugins, cache=tmp_path / "cache", downloader=server)


def locate(store, plugins, options=None, segmenter="seg"):
    return store.locate(plugins.find("segmenter", segmenter), options or Asking())


def parts(store):
    return sorted(p.name for p in store.folder.iterdir() if p.name.endswith(".part"))


def test_a_fetched_file_is_located_with_its_role_and_hash(store, plugins, server):
    path = store.fetch("net")
    (found,) = locate(store, plugins)
    assert (found.role, found.name, found.path, found.sha256) == ("encoder", "net", path, sha256(GOOD))
    assert path.read_bytes() == GOOD
    assert path.suffix == ".pth"
    assert server.asked == [URL]
    assert parts(store) == []


def test_fetching_again_downloads_nothing(store, server, plugins):
    store.fetch("net")
    store.fetch("net")
    WeightsStore(plugins, cache=store.folder.parent, offline=True, downloader=server).fetch("net")
    assert len(server.asked) == 1


def test_progress_counts_bytes_up_to_the_registered_size(store):
    seen = []
    store.fetch("net", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(len(GOOD) // 2, len(GOOD)), (len(GOOD), len(GOOD))]


def test_absent_weights_say_exactly_how_to_get_them(store, plugins):
    with pytest.raises(MissingError) as caught:
        locate(store, plugins)
    for part in (
        "'net'",
        "segmenter seg",
        "`mitobench weights fetch net`",
        URL,
        sha256(GOOD),
        "`mitobench weights add FILE --name net`",
        str(store.folder),
    ):
        assert part in str(caught.value)


def test_putting_the_file_where_the_message_says_works(store, plugins):
    (entry,) = store.entries()
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(GOOD)
    assert locate(store, plugins)[0].path == entry.path


def test_offline_fetch_touches_no_network_and_says_how_to_get_the_file(plugins, tmp_path, server):
    store = WeightsStore(plugins, cache=tmp_path, offline=True, downloader=server)
    with pytest.raises(MissingError, match="offline") as caught:
        store.fetch("net")
    assert URL in str(caught.value)
    assert sha256(GOOD) in str(caught.value)
    assert server.asked == []


def test_one_flipped_byte_in_the_cache_is_found(store, plugins):
    path = store.fetch("net")
    locate(store, plugins)
    data = bytearray(GOOD)
    data[500] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    with pytest.raises(MissingError, match="damaged"):
        locate(store, plugins)


def test_verify_finds_a_flipped_byte_that_left_size_and_time_alone(store, plugins):
    path = store.fetch("net")
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(500)
        file.write(b"?")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (verification,) = store.verify()
    assert not verification.ok
    assert verification.sha256 == sha256(path.read_bytes())
    with pytest.raises(MissingError):
        locate(store, plugins)


def test_verify_says_that_a_whole_file_is_whole(store):
    store.fetch("net")
    assert [v.ok for v in store.verify("net")] == [True]


def test_verify_of_an_absent_file_says_how_to_get_it(store):
    assert store.verify() == []
    with pytest.raises(MissingError, match="weights fetch net"):
        store.verify("net")


def test_fetch_replaces_a_damaged_file(store, server):
    path = store.fetch("net")
    path.write_bytes(GOOD[:-1])
    assert store.fetch("net").read_bytes() == GOOD
    assert len(server.asked) == 2


def test_an_html_page_served_as_weights_is_refused_and_not_kept(store, server):
    server.data = b"\n<!DOCTYPE html><html><title>Sign in</title></html>"
    with pytest.raises(MissingError, match="an HTML page") as caught:
        store.fetch("net")
    assert sha256(server.data) in str(caught.value)
    assert sha256(GOOD) in str(caught.value)
    assert [entry.state for entry in store.entries()] == ["absent"]
    assert parts(store) == []


def test_a_download_that_breaks_off_leaves_nothing_behind(store, server):
    server.error = ConnectionError("reset by peer")
    with pytest.raises(MissingError, match=r"ConnectionError: reset by peer.*Without a network"):
        store.fetch("net")
    assert store.entries()[0].state == "absent"
    assert parts(store) == []


def test_a_download_that_was_cut_short_is_refused(store, server):
    server.data = GOOD[:300]
    with pytest.raises(MissingError, match="300 bytes"):
        store.fetch("net")


def test_a_full_disk_is_a_resource_error(store, server):
    server.error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ResourceError, match="disk is full"):
        store.fetch("net")
    assert parts(store) == []


def test_a_cache_that_cannot_be_written_is_a_clear_error(plugins, tmp_path, server):
    (tmp_path / "file").write_text("in the way")
    store = WeightsStore(plugins, cache=tmp_path / "file", downloader=server)
    with pytest.raises(MissingError, match=rf"cannot be written.*{CACHE_VARIABLE}"):
        store.fetch("net")
    assert server.asked == []


def test_a_read_only_cache_that_holds_the_file_serves_it(store, plugins, monkeypatch, server):
    store.fetch("net")
    (store.folder / "verified.json").unlink()

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    again = WeightsStore(plugins, cache=store.folder.parent, downloader=server)
    assert locate(again, plugins)[0].sha256 == sha256(GOOD)
    assert again.fetch("net").is_file()
    assert len(server.asked) == 1


def test_concurrent_fetches_download_once(plugins, tmp_path, server):
    found, go = [], threading.Barrier(4)

    def fetch():
        store = WeightsStore(plugins, cache=tmp_path, downloader=server)
        go.wait()
        found.append(store.fetch("net").read_bytes())

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [GOOD] * 4
    assert len(server.asked) == 1


def test_verification_is_remembered_but_not_trusted_for_another_file(store, plugins, monkeypatch):
    store.fetch("net")
    locate(store, plugins)
    hashed = []
    monkeypatch.setattr(
        "mitobench.weights.cache.sha256_file", lambda path: hashed.append(path) or sha256(path.read_bytes())
    )
    again = WeightsStore(plugins, cache=store.folder.parent)
    locate(again, plugins)
    assert hashed == []
    again.verify()
    assert len(hashed) == 1


@pytest.mark.parametrize("content", ["", "no json", "[1, 2]", '{"/x": "y"}'])
def test_a_damaged_verification_record_only_costs_hashing(store, plugins, content):
    store.fetch("net")
    (store.folder / "verified.json").write_text(content)
    again = WeightsStore(plugins, cache=store.folder.parent)
    assert locate(again, plugins)[0].sha256 == sha256(GOOD)


def test_an_added_file_is_located_by_its_name(store, plugins, tmp_path):
    mine = tmp_path / "best model.safetensors"
    mine.write_bytes(b"my own")
    entry = store.add(mine, "mine", licence="MIT", citation="me")
    assert (entry.state, entry.file.licence, entry.file.citation, entry.components) == ("present", "MIT", "me", ())
    assert entry.path.suffix == ".safetensors"
    mine.unlink()
    again = WeightsStore(plugins, cache=store.folder.parent)
    (found,) = locate(again, plugins, Asking(name="mine"))
    assert found.path.read_bytes() == b"my own"
    assert [(e.file.name, e.state) for e in again.entries()] == [("mine", "present"), ("net", "absent")]


def test_adding_under_a_registered_name_needs_the_registered_content(store, plugins, tmp_path):
    wrong, right = tmp_path / "wrong.pth", tmp_path / "right.bin"
    wrong.write_bytes(b"something else")
    right.write_bytes(GOOD)
    with pytest.raises(MissingError, match=sha256(GOOD)):
        store.add(wrong, "net")
    entry = store.add(right, "net")
    assert (entry.state, entry.components) == ("present", ("segmenter seg",))
    assert locate(store, plugins)[0].path == entry.path
    assert entry.path.suffix == ".pth"


def test_adding_repairs_a_damaged_registered_file(store, plugins, tmp_path):
    store.fetch("net").write_bytes(b"damaged")
    right = tmp_path / "right.pth"
    right.write_bytes(GOOD)
    store.add(right, "net")
    assert locate(store, plugins)[0].sha256 == sha256(GOOD)


def test_adding_the_same_file_twice_is_fine_and_another_one_is_refused(store, tmp_path):
    one, two = tmp_path / "one.pth", tmp_path / "two.pth"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert store.add(one, "mine") == store.add(one, "mine")
    for name in ("mine", "MINE"):
        with pytest.raises(UsageError, match="another file"):
            store.add(two, name)


@pytest.mark.parametrize(
    "name", ["", "../../x", "a/b", "a b", ".hidden", "a\\b", "x" * 101, "sam[vit_b]", "nul\0", "a\n"]
)
def test_names_that_are_unsafe_in_paths_are_refused(store, tmp_path, name):
    file = tmp_path / "file"
    file.write_bytes(b"1")
    with pytest.raises(UsageError, match="weights name"):
        store.add(file, name)


def test_a_name_that_differs_from_a_registered_one_in_case_only_is_refused(store, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(GOOD)
    with pytest.raises(UsageError, match="in case only"):
        store.add(file, "NET")


def test_a_registered_name_cannot_leave_the_cache(monkeypatch, tmp_path):
    plugins = plugins_with(monkeypatch, ("seg", (weights_file("../../../etc/passwd"),)))
    (entry,) = WeightsStore(plugins, cache=tmp_path).entries()
    assert entry.path.parent == tmp_path / "weights"


def test_adding_a_file_that_is_not_there_is_a_clear_error(store, tmp_path):
    with pytest.raises(MissingError, match="no such file"):
        store.add(tmp_path / "absent.pth", "mine")


def test_a_pickle_that_is_added_and_located_is_never_run(store, plugins, tmp_path):
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return (marker.touch, ())

    bad = tmp_path / "bad.pth"
    bad.write_bytes(pickle.dumps(Evil()))
    store.add(bad, "bad")
    locate(store, plugins, Asking(name="bad"))
    store.verify()
    assert not marker.exists()


def test_a_local_path_is_located_and_hashed(store, plugins, tmp_path):
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"local")
    (found,) = locate(store, plugins, Asking(path=file))
    assert (found.name, found.path, found.sha256) == ("x.safetensors", file, sha256(b"local"))
    file.unlink()
    with pytest.raises(MissingError, match="no such weights file"):
        locate(store, plugins, Asking(path=file))


def test_an_unknown_name_suggests_a_known_one(store, plugins):
    with pytest.raises(UsageError, match="Did you mean 'net'"):
        locate(store, plugins, Asking(name="nett"))
    with pytest.raises(UsageError, match="unknown weights"):
        store.fetch("zzz")


def test_two_components_that_register_the_same_file_share_it(monkeypatch, tmp_path, server):
    plugins = plugins_with(monkeypatch, ("a", (weights_file(),)), ("b", (weights_file(),)))
    store = WeightsStore(plugins, cache=tmp_path, downloader=server)
    (entry,) = store.entries()
    assert entry.components == ("segmenter a", "segmenter b")
    store.fetch("net")
    assert locate(store, plugins, segmenter="a")[0].path == locate(store, plugins, segmenter="b")[0].path


def test_two_files_of_one_name_are_kept_apart(monkeypatch, tmp_path, server):
    other = weights_file(data=b"other")
    plugins = plugins_with(monkeypatch, ("a", (weights_file(),)), ("b", (other,)))
    store = WeightsStore(plugins, cache=tmp_path, downloader=server)
    with pytest.raises(UsageError, match="segmenter a and segmenter b"):
        store.fetch("net")
    for data in (GOOD, b"other"):
        file = tmp_path / "file.pth"
        file.write_bytes(data)
        store.add(file, "net")
    assert locate(store, plugins, segmenter="a")[0].path.read_bytes() == GOOD
    assert locate(store, plugins, segmenter="b")[0].path.read_bytes() == b"other"


def test_bundled_weights_are_found_in_their_package(monkeypatch, tmp_path):
    package = tmp_path / "site" / "bundling_package"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "weights" / "small.bin").write_bytes(GOOD)
    monkeypatch.syspath_prepend(package.parent)
    file = weights_file(url="", bundled="bundling_package:weights/small.bin")
    plugins = plugins_with(monkeypatch, ("seg", (file,)))
    store = WeightsStore(plugins, cache=tmp_path / "cache", offline=True)
    (entry,) = store.entries()
    assert entry.state == "bundled"
    assert locate(store, plugins)[0].path == package / "weights" / "small.bin"
    assert store.fetch("net") == entry.path
    (package / "weights" / "small.bin").write_bytes(b"x")
    with pytest.raises(MissingError, match="install it again"):
        locate(store, plugins)


def test_bundled_weights_of_a_package_that_is_not_there_are_absent(monkeypatch, tmp_path):
    plugins = plugins_with(monkeypatch, ("seg", (weights_file(url="", bundled="no_such_package_at_all:x.bin"),)))
    store = WeightsStore(plugins, cache=tmp_path)
    assert [entry.state for entry in store.entries()] == ["absent"]
    with pytest.raises(MissingError, match="no_such_package_at_all"):
        locate(store, plugins)


@pytest.mark.parametrize("content", ["no json", "[]", '{"mine": {"sha256": 1}}'])
def test_a_damaged_record_of_added_files_names_the_record(store, content):
    store.folder.mkdir(parents=True)
    (store.folder / "added.json").write_text(content)
    with pytest.raises(MissingError, match=r"added\.json"):
        store.entries()


def test_a_record_cannot_point_out_of_the_cache(store, tmp_path):
    file = tmp_path / "file.bin"
    file.write_bytes(b"1")
    store.add(file, "mine")
    record = store.folder / "added.json"
    record.write_text(json.dumps({"mine": {**json.loads(record.read_text())["mine"], "file": "../../secret"}}))
    assert all(entry.path.parent == store.folder for entry in store.entries())


def test_the_cache_lies_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "there"))
    assert cache_root() == tmp_path / "there"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_root().name == "mitobench"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
        (b"PK\x03\x04", "another file"),
    ],
)
def test_wrong_content_is_described(tmp_path, content, said):
    (tmp_path / "x").write_bytes(content)
    assert said in describe_content(tmp_path / "x")


def test_the_default_downloader_speaks_http_through_pooch(plugins, tmp_path, monkeypatch):
    requests = pytest.importorskip("requests")
    response = requests.Response()
    response.status_code = 200
    response.raw = __import__("io").BytesIO(GOOD)
    response.headers["content-length"] = str(len(GOOD))
    asked = []
    monkeypatch.setattr(requests, "get", lambda url, **given: asked.append((url, given)) or response)
    seen = []
    store = WeightsStore(plugins, cache=tmp_path)
    assert store.fetch("net", progress=lambda done, total: seen.append((done, total))).read_bytes() == GOOD
    assert asked[0][0] == URL
    assert asked[0][1]["timeout"]
    assert seen[-1] == (len(GOOD), len(GOOD))


def test_a_missing_page_is_a_network_failure_with_advice(plugins, tmp_path, monkeypatch):
    requests = pytest.importorskip("requests")
    response = requests.Response()
    response.status_code = 404
    monkeypatch.setattr(requests, "get", lambda url, **given: response)
    with pytest.raises(MissingError, match=r"cannot be fetched \(HTTPError.*weights add FILE --name net"):
        WeightsStore(plugins, cache=tmp_path).fetch("net")
