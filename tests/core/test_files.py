"""Files are whole or absent, and names are safe."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitobench.errors import ResourceError
from mitobench.files import atomic_file, is_there, safe_name, write_atomically


def test_writing_replaces_whole_files_and_leaves_nothing_beside_them(tmp_path):
    path = tmp_path / "new" / "file.bin"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file_and_says_which(tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    write_atomically(path, b"old")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match=r"file\.bin: cannot be written \(No space left on device\)"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.text(max_size=300), min_size=2, max_size=20, unique=True))
def test_distinct_texts_get_distinct_safe_names(texts):
    names = [safe_name(text) for text in texts]
    assert len({name.lower() for name in names}) == len(texts)
    for name in names:
        assert len(name.encode()) <= 80
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
        assert not name.startswith((".", "-"))


@pytest.mark.parametrize("text", ["../../x", "/etc/passwd", "con", "NUL.txt", "a\x00b", ".hidden", "x" * 1000, ""])
def test_hostile_names_stay_in_their_folder(tmp_path, text):
    path = tmp_path / safe_name(text)
    path.write_bytes(b"")
    assert path.resolve().parent == tmp_path.resolve()


def test_a_file_that_is_not_written_to_its_end_leaves_the_old_one(tmp_path):
    path = tmp_path / "a" / "state"
    with atomic_file(path) as file:
        file.write(b"one ")
        file.write(b"and two")
    assert path.read_bytes() == b"one and two"

    def half() -> None:
        with atomic_file(path) as file:
            file.write(b"half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [found.name for found in path.parent.iterdir()] == ["state"]
    assert path.read_bytes() == b"one and two"


def test_a_text_that_no_file_can_be_named_by_is_not_there(tmp_path):
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "absent")
    assert not is_there(Path("sam-ft:" + ",".join(f"option{n}=1" for n in range(100))))
    assert not is_there(Path("a\0b"))


def test_what_cannot_be_told_is_not_said_to_be_absent(tmp_path, monkeypatch):
    def locked(_path, **_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", locked)
    with pytest.raises(PermissionError, match="Permission denied"):
        is_there(tmp_path / "locked" / "file")
