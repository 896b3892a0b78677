"""An experiment that trains what is not installed here ends at once, and not after all the rest."""

import importlib.metadata
import json
import shutil

import pytest

from mitobench.checkpoints import read_card

SMALL = "epochs=1,steps_per_epoch=2,patch=32,batch=2,channels=[4, 8]"
FAR = """
from mitobench import hookimpl
from mitobench.descriptors import TrainerDescriptor

@hookimpl
def mitobench_trainers():
    return [TrainerDescriptor(
        name="far", target="mitobench_unet.trainer:UnetTrainer", options="mitobench_unet.options:TrainerOptions",
        summary="A U-Net's trainer that needs one distribution more.", trains=("unet",),
        requires=("pluggy>=1",), install="pip install 'far[extra]'",
    )]
"""
STEP = """
[[train]]
trainer = "{trainer},{small}"
data = ["toy-discs:n=3,seed=1"]
out = "$run/models/{name}.safetensors"
"""
REFUSED = "nothing was trained or run: far needs pluggy>=1, which is not installed; pip install 'far[extra]'."


@pytest.fixture
def recipe(foreign, tmp_path):
    """Writes an experiment file with training steps, given as (name of the checkpoint, trainer)."""
    foreign(FAR)

    def write(*steps, segmenters=("toy-threshold",), small=SMALL, more=""):
        text = f'data = ["toy-discs:n=2"]\nmetrics = ["semantic"]\nsegmenters = {json.dumps(segmenters)}\n'
        text += "".join(STEP.format(name=name, trainer=trainer, small=small) for name, trainer in steps) + more
        (tmp_path / "recipe.toml").write_text(text)

    return write


@pytest.fixture
def uninstall(monkeypatch):
    """Takes a distribution away, as far as the metadata of what is installed say."""
    real = importlib.metadata.version

    def take(name):
        def version(asked):
            if asked == name:
                raise importlib.metadata.PackageNotFoundError(asked)
            return real(asked)

        monkeypatch.setattr(importlib.metadata, "version", version)

    return take


def statuses(mitobench):
    return [step["status"] for step in json.loads(mitobench("plan", "recipe.toml", "--json").out)["training"]]


def test_a_trainer_that_is_not_installed_ends_the_run_before_another_step_or_cell(
    mitobench, recipe, uninstall, tmp_path
):
    recipe(("a", "unet:lr=0.01"), ("b", "far:lr=0.01"), ("c", "far:lr=0.02"))
    uninstall("pluggy")
    result = mitobench("run", "recipe.toml")
    assert result.code == 4
    assert result.err.count(REFUSED) == result.err.count("pluggy") == 1
    assert "training step" not in result.err
    assert not (tmp_path / "runs").exists()
    planned = mitobench("plan", "recipe.toml")
    assert (planned.code, planned.err.count(REFUSED)) == (4, 1)
    assert "missing" in planned.out
    assert "toy-threshold" in planned.out


def test_what_reads_a_checkpoint_of_the_experiment_must_be_installed_too(mitobench, recipe, uninstall, tmp_path):
    recipe(("a", "unet:lr=0.01"), segmenters=["toy-threshold", "unet:checkpoint=$run/models/a.safetensors"])
    assert mitobench("run", "recipe.toml").code == 0
    uninstall("monai")
    result = mitobench("run", "recipe.toml")
    assert result.code == 4
    assert result.err.count("unet needs monai") == 1
    assert statuses(mitobench) == ["done"]


def test_other_cells_that_lack_something_are_left_out_as_ever(mitobench, recipe):
    recipe(("a", "far:lr=0.01"), segmenters=["toy-threshold", "toy-absent"])
    result = mitobench("run", "recipe.toml")
    assert "missing: none x toy-absent" in result.err
    assert "2 done, 0 failed" in result.err


def test_checkpoints_that_are_there_need_no_trainer(mitobench, recipe, uninstall, tmp_path):
    chain = (("a", "far:lr=0.01"), ("b", "far:init=$run/models/a.safetensors"))
    segmenters = ["toy-threshold", "unet:checkpoint=$run/models/b.safetensors"]
    recipe(*chain, segmenters=segmenters)
    assert mitobench("run", "recipe.toml").code == 0
    uninstall("pluggy")
    assert statuses(mitobench) == ["done", "done"]
    again = mitobench("run", "recipe.toml")
    assert again.code == 0, again.err
    assert again.err.count("is there already, made as asked") == 2
    recipe(*chain, segmenters=segmenters, small=SMALL.replace("epochs=1", "epochs=2"))
    assert REFUSED in mitobench("run", "recipe.toml", "--retrain").err
    assert read_card(tmp_path / "runs/recipe/models/b.safetensors").trainer["options"]["epochs"] == 1
    recipe(*(("new-" + name, trainer.replace("/a.", "/new-a.")) for name, trainer in chain))
    assert statuses(mitobench) == ["missing", "missing"]


def test_a_later_checkpoint_that_was_made_otherwise_is_refused_before_the_first_step(mitobench, recipe, tmp_path):
    recipe(("b", "unet:lr=0.01"))
    assert mitobench("run", "recipe.toml").code == 0
    recipe(("a", "unet:lr=0.01"), ("b", "unet:lr=0.02"))
    result = mitobench("run", "recipe.toml")
    assert result.code == 2
    assert "lr was 0.01 and is now 0.02" in result.err
    assert not (tmp_path / "runs/recipe/models/a.safetensors").exists()


def test_a_later_checkpoint_is_compared_when_the_weights_that_it_starts_from_have_come(
    mitobench, recipe, tmp_path, monkeypatch
):
    recipe(("b", "unet:lr=0.01"))
    assert mitobench("run", "recipe.toml").code == 0
    models = tmp_path / "runs/recipe/models"

    def come(*_):
        shutil.copy(models / "b.safetensors", tmp_path / "base.safetensors")
        return True

    monkeypatch.setattr("mitobench_cli.run.fetch_missing", come)
    recipe(("a", "unet:lr=0.01"), ("b", "unet:init=base.safetensors"))
    result = mitobench("run", "recipe.toml")
    assert result.code == 2
    assert "b.safetensors: was made otherwise" in result.err
    assert not (models / "a.safetensors").exists()


def test_a_checkpoint_that_could_not_be_trained_is_a_footnote_without_paths(mitobench, recipe, tmp_path):
    published = """
[[published]]
column = "validation_dice"
value = 0.9
source = "somebody"
differs = "all"
checkpoint = "$run/models/a.safetensors"
"""
    recipe(("a", "unet:init=nowhere.safetensors"), more=published)
    result = mitobench("run", "recipe.toml")
    assert "what differs: all; not measured: nothing has trained this checkpoint" in result.out
    assert str(tmp_path) not in result.out
    assert str(tmp_path) not in (tmp_path / "runs/recipe/report/published.json").read_text()
