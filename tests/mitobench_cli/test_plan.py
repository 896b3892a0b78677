"""``mitobench plan`` takes what ``run`` takes, and says in few words what ``run`` will fetch."""

import pytest

SAM = ["--data", "toy-discs:n=1", "--prompter", "toy-centres", "--segmenter", "sam:model=vit_t"]


@pytest.fixture
def plan(mitobench, tmp_path, monkeypatch):
    monkeypatch.setenv("MITOBENCH_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: mitobench("plan", *arguments)


def test_what_run_fetches_is_said_shortly_and_is_no_error(plan):
    done = plan(*SAM, "--segmenter", "sam:model=vit_l", "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    rows = [line for line in done.out.splitlines() if line.startswith("missing ")]
    assert len(rows) == 2
    assert "`mitobench run` fetches 41 MB first, as does `mitobench weights fetch vit_t`" in rows[0]
    assert max(map(len, rows)) < 180


def test_offline_they_are_missing_and_how_to_get_them_is_said_in_full(plan):
    done = plan(*SAM, "--offline")
    assert done.code == 4
    assert "mitobench weights add FILE --name vit_t" in done.out


def test_what_run_cannot_fetch_is_an_error_beside_what_it_can(plan):
    done = plan("--data", "toy-discs:n=1", "--segmenter", "toy-absent")
    assert done.code == 4
    assert "no-such-distribution" in done.err


def test_a_device_is_checked_as_by_run(plan):
    assert plan(*SAM, "--device", "gpu7").code == 2
