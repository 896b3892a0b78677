"""The targets on real data: what is bundled finds nuclei, and a training with the defaults finds mitochondria."""

import json
import os
from pathlib import Path

import pytest

import mitobench_unet
from mitobench_cli.main import cli

WEIGHTS = Path(mitobench_unet.__file__).parent / "weights" / "unet-nuclei.safetensors"

pytestmark = [pytest.mark.slow, pytest.mark.real_data, pytest.mark.filterwarnings("default")]


@pytest.fixture
def mitobench(capsys, tmp_path, monkeypatch):
    """Call the command in an empty folder; answers the JSON on its stdout."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([*map(str, arguments), "--device", "cpu", "--offline", "--json"], prog_name="mitobench")
        out, err = capsys.readouterr()
        assert not ended.value.code, err
        return json.loads(out)

    return call


def only_row(result):
    """The one row of a run's leaderboard: its scores, complete and without a warning about the training data."""
    (table,) = result["leaderboard"]["tables"]
    (row,) = table["rows"]
    assert (row["status"], row["failed"]) == ("ok", 0)
    assert not [badge for badge in row["badges"] if badge["name"] == "in-domain"], row["badges"]
    return row["images"], {name: score["value"] for name, score in row["scores"].items()}


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundled weights unet-nuclei.safetensors are not there yet")
def test_the_bundled_unet_finds_the_nuclei_of_files_that_it_has_not_seen(real_data, mitobench):
    """Its training took the first 80 % of the files (its card says so)."""
    data = f"folder:root={real_data / 'nuclei-dsb2018'},split=test,train=0.8"
    result = mitobench("run", "--data", data, "--segmenter", "unet:model=nuclei", "--metric", "instance", "--out", "r")
    images, scores = only_row(result)
    assert images == 69
    assert scores["F1@0.5"] >= 0.85


@pytest.mark.skipif(not os.environ.get("MITOBENCH_SLOW"), reason="trains for up to 15 minutes; set MITOBENCH_SLOW=1")
@pytest.mark.timeout(3600)
def test_a_training_with_the_defaults_finds_the_mitochondria_of_sections_that_it_has_not_seen(real_data, mitobench):
    """Sections 0 to 8 to learn from, 9 left out, 10 to 13 to evaluate."""
    data = f"epfl:root={real_data / 'em-vnc'}"
    trained = mitobench("train", "unet", "--data", f"{data},split=train", "--out", "m.safetensors")
    assert trained["finished"]
    metrics = ("--metric", "semantic", "--metric", "instance")
    segmenter = "unet:checkpoint=m.safetensors"
    result = mitobench("run", "--data", f"{data},split=test", "--segmenter", segmenter, *metrics, "--out", "r")
    images, scores = only_row(result)
    assert images == 4
    assert scores["Dice"] >= 0.87
    assert scores["IoU"] >= 0.78
    assert scores["F1@0.5"] >= 0.80
