"""``sweep`` trains on ever more images, evaluates every checkpoint, and draws the score; asked again it does what is missing."""

import csv
import json
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from mitobench.checkpoints import read_card

TRAINER = "unet:epochs=2,steps_per_epoch=6,patch=32,batch=4,channels=[4, 8],lr=0.02,averaging=0"
BASE = ("sweep", TRAINER, "--data", "toy-discs:n=4,seed=1", "--evaluate", "toy-discs:n=3", "--metric", "semantic")
SMALL = (*BASE, "--segmenter", "unet", "--segmenter", "toy-threshold", "--train-size", "1,all", "--seeds", "2")


@pytest.fixture
def sweep(mitobench):
    def call(*more, base=SMALL):
        return mitobench(*base, "--out", "s", "--json", *more)

    return call


def test_a_sweep_ends_in_checkpoints_a_run_tables_and_a_figure(sweep, mitobench, tmp_path):
    result = sweep()
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert (found["sizes"], found["seeds"], found["failed"]) == ([1, 4], [0, 1], [])
    trained, fixed = found["curves"]
    assert (trained["segmenter"], fixed["segmenter"]) == ("unet", "toy-threshold")
    assert [(p["seed"], p["size"]) for p in trained["points"]] == [(0, 1), (0, 4), (1, 1), (1, 4)]
    assert [(p["seed"], p["size"]) for p in fixed["points"]] == [(None, None)]

    board = json.loads(mitobench("leaderboard", "s/run", "--format", "json").out)["tables"][0]
    scores = {row["cell"]: row["scores"]["Dice"]["value"] for row in board["rows"]}
    assert {p["cell"]: p["value"] for c in found["curves"] for p in c["points"]} == scores
    assert len({p["value"] for p in trained["points"]}) > 1

    with (tmp_path / "s/sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["value"]) for r in rows] == [p["value"] for c in found["curves"] for p in c["points"]]
    assert json.loads((tmp_path / "s/sweep.json").read_text())["curves"] == found["curves"]
    with Image.open(tmp_path / "s/sweep.png") as picture:
        assert picture.size[0] > 500
    assert ET.parse(tmp_path / "s/sweep.svg").getroot().tag.endswith("svg")

    shown = mitobench(*SMALL, "--out", "s").out
    mean = sum(p["value"] for p in trained["points"] if p["size"] == 4) / 2
    assert f"{mean:.3f} (" in shown
    assert "Dice" in shown


def test_checkpoints_are_of_nested_choices_and_no_other_image_is_used(sweep, tmp_path):
    sweep()
    cards = {p.name[:12]: read_card(p) for p in sorted((tmp_path / "s/models").iterdir())}
    assert list(cards) == ["n00001-seed0", "n00001-seed1", "n00004-seed0", "n00004-seed1"]
    for seed in "01":
        one, all_ = (set(cards[f"n0000{n}-seed{seed}"].training_origins) for n in "14")
        assert (len(one), len(all_)) == (1, 4)
        assert one < all_
    assert cards["n00001-seed1"].trainer["seed"] == 1


def test_asked_again_it_does_only_what_is_missing(sweep, tmp_path):
    first = json.loads(sweep().out)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "s/models").iterdir()}
    again = sweep()
    assert again.err.count("there already") == 4
    assert "images seed" not in again.err
    assert json.loads(again.out)["curves"] == first["curves"]
    more = json.loads(sweep("--seeds", "3").out)
    assert [p for p in more["curves"][0]["points"] if p["seed"] < 2] == first["curves"][0]["points"]
    assert len(more["curves"][0]["points"]) == 6
    assert {p: p.stat().st_mtime_ns for p in times} == times
    (tmp_path / "s/models/n00001-seed0-x.safetensors").touch()
    other = (*SMALL[:1], TRAINER.replace("lr=0.02", "lr=0.01"), *SMALL[2:])
    changed = json.loads(sweep(base=other).out)
    assert not {p["cell"] for p in changed["curves"][0]["points"]} & {p["cell"] for p in first["curves"][0]["points"]}


def test_equal_steps_give_few_images_more_epochs_where_an_epoch_is_a_pass(mitobench, tmp_path):
    keras = "unet-keras:channels=[4, 8],size=16,batch=3,epochs=1"
    arguments = (*BASE[2:], "--train-size", "1,2", "--seeds", "1", "--segmenter", "unet-keras", "--out", "s")
    result = mitobench("sweep", keras, *arguments, "--equal-steps")
    assert result.code == 0, result.err
    cards = [read_card(p) for p in sorted((tmp_path / "s/models").iterdir())]
    assert [card.trainer["options"]["epochs"] for card in cards] == [2, 1]
    assert cards[0].trainer["steps"] == cards[1].trainer["steps"]


def test_the_trained_segmenter_is_the_default_and_any_score_can_be_drawn(sweep):
    found = json.loads(sweep("--train-size", "1", "--seeds", "1", "--score", "iou", base=BASE).out)
    assert [(c["segmenter"], c["column"]) for c in found["curves"]] == [("unet", "IoU")]
    wrong = sweep("--train-size", "1", "--seeds", "1", "--score", "elegance", base=BASE)
    assert wrong.code == 2
    assert "no score 'elegance'. There are: Dice" in wrong.err


def test_a_prompter_that_is_trained_gets_the_checkpoints(sweep, tmp_path):
    mixed = ("--prompter", "unet", "--segmenter", "toy-flood", "--train-size", "1", "--seeds", "1")
    found = json.loads(sweep(*mixed, base=BASE).out)
    assert [(c["prompter"], c["segmenter"], len(c["points"])) for c in found["curves"]] == [("unet", "toy-flood", 1)]
    assert found["curves"][0]["points"][0]["size"] == 1


def test_a_training_that_fails_costs_its_own_point(sweep):
    broken = ("sweep", TRAINER, "--data", "toy-discs:n=4,seed=1,broken=disc0", *BASE[4:], "--train-size", "1,all")
    result = sweep("--seeds", "1", base=broken)
    assert result.code == 1, result.err
    found = json.loads(result.out)
    assert [p["size"] for p in found["curves"][0]["points"]] == [1]
    assert found["failed"] == ["4 images, seed 0: this image cannot be read"]


def test_an_interrupted_sweep_goes_on_with_the_same_command(sweep, tmp_path):
    slow = ("sweep", TRAINER.replace("steps_per_epoch=6", "steps_per_epoch=40"), *BASE[2:], "--train-size", "1")
    command = [sys.executable, "-c", "from mitobench_cli.main import main; main()", *slow, "--seeds", "1", "--out", "s"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("s/models/*.making")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert "the same command resumes" in err
    assert not list(tmp_path.glob("s/models/*.safetensors"))
    result = sweep("--seeds", "1", base=slow)
    assert result.code == 0, result.err
    assert len(json.loads(result.out)["curves"][0]["points"]) == 1
    assert [p.suffix for p in (tmp_path / "s/models").iterdir()] == [".safetensors"]


def test_evaluating_what_was_learnt_from_is_said(sweep):
    same = ("sweep", TRAINER, "--data", "toy-discs:n=2", "--evaluate", "toy-discs:n=2", "--metric", "semantic")
    result = sweep("--seeds", "1", base=same)
    found = json.loads(result.out)
    assert found["sizes"] == [1, 2]
    assert (
        "warning: in-domain: the segmenter's weights were trained on these very images: 2 of the 2 evaluated source images"
        in result.err
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--train-size", "1,9"), 2, "9 training images were asked for and the data have 4"),
        (("--train-size", "0"), 2, "'0'; expected numbers of images of 1 or more"),
        (("--train-size", "few"), 2, "'few'; expected numbers"),
        (("--segmenter", "toy-threshold"), 2, "none of toy-threshold takes what unet trains"),
        (("--segmenter", "unet:model=em"), 2, "none of unet:model=em takes what unet trains"),
        (("--segmenter", "unet:thresold=1"), 2, "Did you mean 'threshold'?"),
        (("--prompter", "unet:emit=box", "--segmenter", "toy-flood"), 2, "nothing that is trained can be evaluated"),
    ],
)
def test_what_cannot_be_swept_is_said_before_anything_is_trained(sweep, tmp_path, arguments, code, message):
    result = sweep(*arguments, base=BASE)
    assert (result.code, message in result.err) == (code, True), result.err
    assert not (tmp_path / "s/models").exists()
