"""``weights`` lists, adds and verifies files, and never reaches for the network when told not to."""

import hashlib
import json

import pytest

from mitobench.errors import MissingError
from mitobench_cli import run as run_module


@pytest.fixture
def weights(mitobench, monkeypatch, tmp_path):
    monkeypatch.setenv("MITOBENCH_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: mitobench("weights", *arguments)


def test_list_shows_state_size_licence_and_users(weights):
    line = next(line for line in weights("list").out.splitlines() if line.startswith("vit_b "))
    assert line.split()[:5] == ["vit_b", "absent", "375.0", "MB", "Apache-2.0"]
    assert "segmenter sam" in line
    found = {e["name"]: e for e in json.loads(weights("list", "--json").out)}
    assert found["vit_h"]["sha256"] == "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"
    assert found["vit_l"]["url"].startswith("https://")


def test_an_added_file_is_listed_and_verified(weights, tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"weights")
    result = weights("add", "mine.pth", "--licence", "CC0-1.0")
    assert result.code == 0
    assert hashlib.sha256(b"weights").hexdigest() in result.out
    line = next(line for line in weights("list").out.splitlines() if line.startswith("mine "))
    assert line.split()[1:5] == ["present", "0.0", "MB", "CC0-1.0"]
    assert next(line for line in weights("verify").out.splitlines() if line.startswith("mine ")).split()[1] == "ok"


def test_a_damaged_file_is_found_and_named(weights, tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"weights")
    stored = weights("add", "mine.pth", "--name", "own").out.split()[1]
    (tmp_path / stored).chmod(0o644)
    (tmp_path / stored).write_bytes(b"weightz")
    result = weights("verify", "own")
    assert result.code == 4
    assert "damaged" in result.out
    assert stored in result.err
    assert json.loads(weights("verify", "--json").out)[-1]["ok"] in (True, False)


def test_what_is_not_there_cannot_be_verified_or_added(weights):
    assert weights("verify", "vit_b").code == 4
    assert weights("add", "nothing.pth").code == 4


def test_an_unknown_name_is_answered_with_the_one_that_was_meant(weights):
    result = weights("fetch", "vit_bb", "--offline")
    assert result.code == 2
    assert "Did you mean 'vit_b'?" in result.err


def test_offline_fetching_says_where_to_get_the_file_by_hand(weights):
    result = weights("fetch", "vit_b", "--offline")
    assert result.code == 4
    assert "sam_vit_b_01ec64.pth" in result.err
    assert result.out == ""


def test_a_run_fetches_the_published_weights_that_it_lacks_unless_offline(mitobench, monkeypatch, tmp_path):
    monkeypatch.setenv("MITOBENCH_CACHE", str(tmp_path / "cache"))
    from mitobench.weights import WeightsStore

    asked = []

    def fetch(self, name, *, progress=None):
        asked.append((name, self.offline))
        progress(1, 2)
        raise MissingError(f"no route to {name}")

    monkeypatch.setattr(WeightsStore, "fetch", fetch)
    matrix = ("run", "--data", "toy-discs", "--prompter", "gt-box", "--segmenter", "sam:model=vit_t")
    result = mitobench(*matrix, "--offline")
    assert (result.code, asked) == (4, [])
    result = mitobench(*matrix)
    assert (result.code, asked) == (4, [("vit_t", False)])
    assert "fetching vit_t (41 MB, licence Apache-2.0)" in result.err
    assert "warning: no route to vit_t" in result.err
    assert run_module.command.name == "run"
