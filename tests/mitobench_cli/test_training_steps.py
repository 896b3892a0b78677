"""Training steps of an experiment file: trained before the matrix, known again, never reused when anything changed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mitobench.checkpoints import read_card

UNET = "epochs=1,steps_per_epoch=2,patch=32,batch=2,channels=[4, 8]"
RECIPE = """
data = ["toy-discs:n=2"]
segmenters = ["unet:checkpoint=$run/models/a.safetensors", "toy-threshold"]
metrics = ["semantic"]

[[train]]
trainer = "unet:{options}"
data = ["toy-discs:n={n},seed=1"]
out = "$run/models/a.safetensors"
{more}
"""


@pytest.fixture
def recipe(tmp_path):
    """Write the experiment file; called again, another one in its place."""

    def write(options: str = UNET, n: int = 3, more: str = "", head: str = "") -> None:
        (tmp_path / "recipe.toml").write_text(head + RECIPE.format(options=options, n=n, more=more))

    write()
    return write


def steps(mitobench, *arguments):
    return json.loads(mitobench("plan", "recipe.toml", "--json", *arguments).out)["training"]


def test_one_command_trains_and_runs_and_repeated_does_nothing(mitobench, recipe, tmp_path):
    first = mitobench("run", "recipe.toml")
    assert first.code == 0, first.err
    checkpoint = tmp_path / "runs/recipe/models/a.safetensors"
    assert "training step 1 of 1: unet:epochs=1" in first.err
    assert "(3 samples) -> runs/recipe/models/a.safetensors" in first.err
    assert "2/2 steps" in first.err
    assert "4 done, 0 failed" in first.err
    before = checkpoint.stat().st_mtime_ns
    second = mitobench("run", "recipe.toml", "--json")
    assert "runs/recipe/models/a.safetensors is there already, made as asked" in second.err
    assert json.loads(second.out)["skipped"] == 4
    assert json.loads(second.out)["training"][0]["status"] == "done"
    assert checkpoint.stat().st_mtime_ns == before


def test_the_plan_says_what_is_trained_first_and_touches_nothing(mitobench, recipe, tmp_path):
    planned = mitobench("plan", "recipe.toml")
    assert planned.code == 0
    assert "trained first, in step 1" in planned.out
    assert "missing" not in planned.out
    assert not (tmp_path / "runs").exists()
    assert mitobench("run", "recipe.toml", "--dry-run").out == planned.out
    mitobench("run", "recipe.toml")
    after = json.loads(mitobench("plan", "recipe.toml", "--json").out)
    assert [cell["status"] for cell in after["cells"]] == ["done", "done"]
    assert after["training"][0]["status"] == "done"


@pytest.mark.parametrize(
    ("changed", "arguments", "said"),
    [
        ({"options": UNET.replace("epochs=1", "epochs=2")}, (), "epochs was 1 and is now 2"),
        ({"n": 4}, (), "the training data are others"),
        (
            {"more": 'validation = ["toy-discs:n=1,seed=9"]'},
            (),
            "the validation data are others (fingerprint not given",
        ),
        ({"more": "seed = 5"}, (), "seed was 0 and is now 5"),
        ({}, ("--seed", "7"), "seed was 0 and is now 7"),
    ],
)
def test_a_checkpoint_that_was_made_otherwise_is_never_reused(mitobench, recipe, tmp_path, changed, arguments, said):
    mitobench("run", "recipe.toml")
    checkpoint = tmp_path / "runs/recipe/models/a.safetensors"
    before = checkpoint.read_bytes()
    recipe(**changed)
    refused = mitobench("run", "recipe.toml", *arguments)
    assert refused.code == 2
    assert said in refused.err
    assert "--retrain" in refused.err
    assert checkpoint.read_bytes() == before
    planned = mitobench("plan", "recipe.toml", *arguments)
    assert (planned.code, said in planned.err) == (2, True)
    assert "differs" in planned.out
    again = mitobench("run", "recipe.toml", *arguments, "--retrain")
    assert again.code == 0, again.err
    assert checkpoint.read_bytes() != before
    assert steps(mitobench, *arguments)[0]["status"] == "done"


def test_a_checkpoint_that_train_made_of_the_same_is_known_and_a_foreign_one_is_not(mitobench, recipe, tmp_path):
    out = tmp_path / "runs/recipe/models/a.safetensors"
    made = mitobench("train", f"unet:{UNET}", "--data", "toy-discs:n=3,seed=1", "--out", out)
    assert made.code == 0, made.err
    assert steps(mitobench)[0]["status"] == "done"
    card = read_card(out)
    assert card.data["made_by"]["training"] == card.data["fingerprint"]
    out.write_bytes(b"not a checkpoint")
    assert "not a safetensors checkpoint" in steps(mitobench)[0]["reason"]
    assert mitobench("run", "recipe.toml").code == 2


def test_an_interrupted_training_goes_on_with_the_same_command(mitobench, recipe, tmp_path):
    recipe(UNET.replace("steps_per_epoch=2", "steps_per_epoch=60"))
    code = "from mitobench_cli.main import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, "run", "recipe.toml"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    note, deadline = tmp_path / "runs/recipe/models/a.safetensors.making", time.monotonic() + 60
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted; the same command resumes" in err
    assert [(s["status"], s["reason"]) for s in steps(mitobench)] == [("resume", "a training that was stopped goes on")]
    assert note.exists()
    recipe(UNET)
    other = mitobench("run", "recipe.toml")
    assert other.code == 2
    assert "an unfinished training was begun otherwise: steps_per_epoch was 60 and is now 2" in other.err
    recipe(UNET.replace("steps_per_epoch=2", "steps_per_epoch=60"))
    done = mitobench("run", "recipe.toml")
    assert done.code == 0, done.err
    assert "resumed after " in done.err or "a training that was stopped goes on" in done.err
    assert not note.exists()


def test_a_step_may_start_from_what_an_earlier_one_wrote(mitobench, recipe, tmp_path):
    second = f"""
[[train]]
trainer = "unet:init=$run/models/a.safetensors,{UNET}"
data = ["toy-discs:n=2,seed=2"]
out = "$run/models/b.safetensors"
"""
    recipe(more=second)
    assert [(s["status"], s["reason"]) for s in steps(mitobench)] == [
        ("train", ""),
        ("train", "after training step 1, from whose checkpoint it starts"),
    ]
    assert mitobench("run", "recipe.toml").code == 0
    assert [s["status"] for s in steps(mitobench)] == ["done", "done"]
    recipe(n=4, more=second)
    mitobench("run", "recipe.toml", "--retrain")
    assert [s["status"] for s in steps(mitobench)] == ["done", "done"]


def test_a_step_that_lacks_something_and_its_cells_are_missing_and_the_others_run(mitobench, recipe):
    recipe(f"init=nowhere.safetensors,{UNET}")
    planned = json.loads(mitobench("plan", "recipe.toml", "--json").out)
    assert planned["training"][0]["status"] == "missing"
    assert [cell["status"] for cell in planned["cells"]] == ["missing", "run"]
    assert planned["cells"][0]["reason"].startswith("training step 1 cannot run: ")
    assert "nowhere.safetensors: no such weights file" in planned["cells"][0]["reason"]
    result = mitobench("run", "recipe.toml")
    assert "training step 1 of 1: missing: " in result.err
    assert "2 done, 0 failed" in result.err
    assert result.code == 4


def test_two_steps_that_write_one_file_are_refused(mitobench, recipe):
    recipe(more=f'[[train]]\ntrainer = "unet:{UNET}"\ndata = ["toy-discs"]\nout = "$run/models/a.safetensors"')
    result = mitobench("run", "recipe.toml")
    assert result.code == 2
    assert "as an earlier one does" in result.err


def test_data_root_is_where_data_begin_and_is_asked_for(mitobench, tmp_path):
    (tmp_path / "recipe.toml").write_text(
        'data_from = "ask Ada"\nsegmenters = ["unet"]\n[[data]]\nname = "folder"\nroot = "$data/cells"\n'
    )
    asked = mitobench("plan", "recipe.toml")
    assert asked.code == 2
    assert "'$data/cells' starts from $data" in asked.err
    assert "--data-root DIR" in asked.err
    (tmp_path / "d").mkdir()
    absent = mitobench("plan", "recipe.toml", "--data-root", "d")
    assert absent.code == 3
    assert "Where the data are to be had: ask Ada" in absent.err
    needless = mitobench("plan", "--data", "toy-discs", "--segmenter", "toy-threshold", "--data-root", "d")
    assert needless.code == 2
    assert "experiment file" in needless.err


PUBLISHED = """
data = ["toy-discs:n=2"]
segmenters = ["toy-threshold"]
metrics = ["toy-overlap"]

[[published]]
column = "dice (per image)"
value = 0.5
source = "Lovelace 1843"
differs = "her discs were square"
segmenter = "toy-threshold"

[[published]]
column = "IoU"
value = 0.25
source = "Lovelace 1843"
differs = ""
segmenter = "toy-absent"
"""


def test_published_numbers_stand_beside_ours_with_what_differs(mitobench, tmp_path):
    (tmp_path / "p.toml").write_text(PUBLISHED)
    result = mitobench("run", "p.toml")
    assert result.code == 0, result.err
    _, published = result.out.split("published beside ours\n")
    row = published.splitlines()[1].split()
    assert row[:3] == ["dice", "(per", "image)"]
    assert "0.5" in row
    assert "what differs: her discs were square (published: Lovelace 1843)" in published
    assert "nothing that we know of: same data, same protocol; this run has no such cell" in published
    stored = json.loads((tmp_path / "runs/p/report/published.json").read_text())["scores"]
    board = json.loads((tmp_path / "runs/p/report/leaderboard.json").read_text())["tables"][0]
    ours = board["rows"][0]["scores"]["Dice (per image)"]
    assert [stored[0][k] for k in ("published", "ours", "low", "high", "images")] == [
        0.5, ours["value"], ours["low"], ours["high"], 2,
    ]  # fmt: skip
    assert stored[0]["cell"] == board["rows"][0]["cell"]
    assert stored[1]["ours"] is None
    assert json.loads(mitobench("run", "p.toml", "--json").out)["published"] == stored


def test_what_is_published_of_a_checkpoint_is_compared_with_its_card(mitobench, recipe, tmp_path):
    entry = """
[[published]]
column = "validation_dice"
value = 0.9
source = "somebody"
differs = "all"
checkpoint = "$run/models/a.safetensors"
"""
    recipe(more=entry)
    found = json.loads(mitobench("run", "recipe.toml", "--json").out)["published"][0]
    card = read_card(tmp_path / "runs/recipe/models/a.safetensors")
    assert (found["ours"], found["of"]) == (card.metrics["validation_dice"], "checkpoint a.safetensors")


@pytest.mark.parametrize(
    ("column", "meant"),
    [("elegance", ""), ("validation_dise", "Did you mean 'validation_dice'?")],
)
def test_what_the_card_of_a_checkpoint_lacks_was_not_measured(mitobench, recipe, column, meant):
    entry = f"""
[[published]]
column = "{column}"
value = 0.9
source = "somebody"
differs = "all"
checkpoint = "$run/models/a.safetensors"
"""
    recipe(more=entry)
    result = mitobench("run", "recipe.toml")
    assert result.code == 0, result.err
    assert f"{column}  checkpoint a.safetensors  0.9        -     [1]" in result.out
    assert f"not measured: the card of a.safetensors has no {column}, only validation_dice" in result.out
    assert meant in result.out
    assert ("Did you mean" in result.out) == bool(meant)


def test_a_published_number_that_could_be_of_several_cells_is_refused(mitobench, tmp_path):
    text = PUBLISHED.replace('["toy-threshold"]', '["toy-threshold", "toy-threshold:threshold=70"]')
    (tmp_path / "p.toml").write_text(text)
    result = mitobench("run", "p.toml")
    assert result.code == 2
    assert "belongs to toy-threshold, which 2 cells are" in result.err
