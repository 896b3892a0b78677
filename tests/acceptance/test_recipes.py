"""The recipes: each plans as it stands, every published number finds its place, and the generated variants run."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from mitobench.checkpoints import read_card
from mitobench.experiment import read_experiment
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench.ranking.published import match_cell
from mitobench.specs import parse_spec, spec_from_table
from mitobench.training.steps import plan_experiment
from mitobench.weights import WeightsStore
from mitobench_cli.main import cli

RECIPES = sorted((Path(__file__).parents[2] / "benchmarks" / "recipes").glob("*.toml"))
PUBLISHED = ("sam_finetune_epfl", "unet_centroids", "hela_prompts")
GENERATED = [path for path in RECIPES if path.stem.endswith("_synthetic")]


def label_image(index: int) -> np.ndarray:
    labels = np.zeros((48, 64), np.uint16)
    labels[4 + index : 20, 5:25] = 1
    labels[28:40, 30:50] = 2
    return labels


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """The layouts of all data sets that recipes name, with a few tiny images each."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    stacks = {"epfl": (("training", 12), ("testing", 3)), "em-vnc": (("training", 14),)}
    for folder, parts in stacks.items():
        (root / folder).mkdir()
        for part, count in parts:
            masks = np.stack([(label_image(i % 3) > 0) * np.uint8(255) for i in range(count)])
            tifffile.imwrite(root / folder / f"{part}_groundtruth.tif", masks, photometric="minisblack")
            noise = rng.integers(0, 255, masks.shape, np.uint8)
            tifffile.imwrite(root / folder / f"{part}.tif", noise, photometric="minisblack")
    for sequence in ("01", "02"):
        hela = root / "Fluo-N2DL-HeLa"
        (hela / sequence).mkdir(parents=True)
        (hela / f"{sequence}_GT" / "SEG").mkdir(parents=True)
        for index in range(2):
            tifffile.imwrite(hela / sequence / f"t{index:03d}.tif", rng.integers(0, 999, (48, 64), np.uint16))
            tifffile.imwrite(hela / f"{sequence}_GT" / "SEG" / f"man_seg{index:03d}.tif", label_image(index))
    for kind in ("images", "labels"):
        (root / "nuclei-dsb2018" / kind).mkdir(parents=True)
        for index in range(6):
            image = label_image(index) if kind == "labels" else rng.integers(0, 255, (48, 64), np.uint8)
            tifffile.imwrite(root / "nuclei-dsb2018" / kind / f"{index}.tif", image)
    return root


@pytest.fixture(scope="module")
def plugins():
    return Plugins.discover()


def planned(path, data_root, plugins, tmp_path):
    experiment = read_experiment(path, data_root=data_root, run=tmp_path / "run")
    store = WeightsStore(plugins, cache=tmp_path / "cache", offline=True)
    return experiment, *plan_experiment(experiment, plugins, store)


def test_every_published_system_has_a_recipe_and_generated_variants():
    stems = {path.stem for path in RECIPES}
    assert stems >= {*PUBLISHED, "sam_finetune_em_vnc", "unet_centroids_em_vnc", "nuclei_prompts"}
    assert len(GENERATED) == 3


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_recipe_plans_and_all_it_lacks_is_what_it_trains_or_published_weights(path, data_root, plugins, tmp_path):
    experiment, steps, plan = planned(path, data_root, plugins, tmp_path)
    assert experiment.train
    assert not plan.with_status("incompatible")
    waiting = [cell for cell in plan.with_status("run") if cell.reason.startswith("trained first, in step ")]
    if path.stem in PUBLISHED:
        lacking = plan.with_status("missing")
        assert lacking
        assert all("mitobench weights fetch vit_b" in cell.reason for cell in lacking)
    else:
        assert not plan.with_status("missing")
        assert all(step.status == "train" for step in steps)
        assert waiting
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_published_number_belongs_to_one_cell_or_checkpoint(path, data_root, plugins, tmp_path):
    experiment, steps, plan = planned(path, data_root, plugins, tmp_path)
    assert experiment.published
    for score in experiment.published:
        if score.checkpoint is not None:
            assert score.checkpoint in [step.out for step in steps]
        else:
            assert match_cell(score, plan) is not None, score
        assert score.differs or path.stem in PUBLISHED, (
            "only the published protocol on the published data differs in nothing"
        )


def checkpoint_columns():
    """Per trainer, what recipes compare of its checkpoints' cards, and its spec where it trains fastest, on generated images."""
    specs, columns = {}, {}
    for path in RECIPES:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
        for step in recipe["train"]:
            spec = spec_from_table(step["trainer"])
            if path in GENERATED:
                specs[spec.name] = spec
            found = [score["column"] for score in recipe["published"] if score.get("checkpoint") == step["out"]]
            columns.setdefault(spec.name, set()).update(found)
    return {name: (specs[name], found) for name, found in columns.items() if found}


@pytest.mark.parametrize("trainer", sorted(checkpoint_columns()))
@pytest.mark.filterwarnings("ignore:CUDA initialization:UserWarning")
def test_the_columns_of_checkpoints_are_what_their_trainers_measure(trainer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec, columns = checkpoint_columns()[trainer]
    spec = replace(spec, options={**spec.options, "epochs": 1})
    data = ("--data", "synthetic:kind=nuclei,n=6,size=64", "--out", "a.safetensors")
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", str(spec), *data, "--offline", "--device", "cpu"], prog_name="mitobench")
    assert ended.value.code in (0, None), capsys.readouterr().err
    assert columns <= read_card(tmp_path / "a.safetensors").metrics.keys()


def test_checkpoints_of_two_trainers_are_compared():
    assert sorted(checkpoint_columns()) == ["unet-keras", "yolo"]


def fine_tuned_scores():
    """The published numbers of published recipes with a fine-tuned SAM: (recipe's name, number, the step that trains it)."""
    for path in (path for path in RECIPES if path.stem in PUBLISHED):
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
        for step in (step for step in recipe["train"] if step["trainer"]["name"] == "sam-ft"):
            for score in recipe["published"]:
                if f"checkpoint={step['out']}" in score.get("segmenter", ""):
                    yield pytest.param(score, step, id=f"{path.stem}-{score['column']}-{score['value']}")


@pytest.mark.parametrize(("score", "step"), list(fine_tuned_scores()))
def test_what_differs_names_copies_that_are_made_once_and_samples_that_are_not_learnt_from(score, step):
    copies = step["trainer"].get("augment", 0)
    frozen = step["trainer"].get("train", "decoder") == "decoder"
    assert (f"{copies} copies per image that are made once" in score["differs"]) == (copies > 0 and frozen)
    assert ("held out to choose the epoch" in score["differs"]) == ("validation" not in step)


@pytest.mark.parametrize("stem", PUBLISHED)
def test_where_its_data_are_absent_a_recipe_says_where_to_get_them(stem, tmp_path, capsys):
    path = next(p for p in RECIPES if p.stem == stem)
    with pytest.raises(SystemExit) as ended:
        cli.main(["plan", str(path), "--data-root", str(tmp_path)], prog_name="mitobench")
    assert ended.value.code == 3
    assert "Where the data are to be had: " in capsys.readouterr().err


def test_the_published_hyperparameters_are_written_out():
    def steps(stem):
        text = next(p for p in RECIPES if p.stem == stem).read_text(encoding="utf-8")
        return [step["trainer"] for step in tomllib.loads(text)["train"]]

    (sam,) = steps("sam_finetune_epfl")
    assert (sam["lr"], sam["batch"], sam["epochs"], sam["weight_decay"]) == (1e-5, 2, 5, 0)
    assert (sam["prompt"], sam["box_margin"], sam["train"], sam["loss"]) == ("union-box", 20, "decoder", "dice-ce")
    (unet,) = steps("unet_centroids")
    assert (unet["epochs"], unet["batch"]) == (20, 16)
    *hela, yolo = steps("hela_prompts")
    assert [step["prompt"] for step in hela] == ["box", "point", "mask"]
    assert all((s["lr"], s["batch"], s["objects"], s["model"]) == (1e-5, 1, "one", "vit_b") for s in hela)
    assert yolo["size"] == "s"


def test_the_readme_has_a_row_for_every_recipe():
    text = (RECIPES[0].parent / "README.md").read_text(encoding="utf-8")
    for path in RECIPES:
        assert f"`mitobench run benchmarks/recipes/{path.name}" in text


def named_components():
    """Every prompter and segmenter that a command in the README or in a recipe's comments names: (kind, spec)."""
    for page in (RECIPES[0].parent / "README.md", *RECIPES):
        found = re.findall(r"--(prompter|segmenter) +'?([^\s'`]+[^\s'`,;.)])", page.read_text(encoding="utf-8"))
        yield from (pytest.param(*each, id=f"{page.name}-{each[1]}") for each in found)


@pytest.mark.parametrize(("kind", "spec"), list(named_components()))
def test_components_that_the_pages_name_exist_with_these_options(kind, spec, plugins):
    component = plugins.find(kind, parse_spec(spec))
    parse_options(component.options_model(), dict(parse_spec(spec).options), owner=spec)


def test_the_pages_name_the_manual_way():
    specs = [each.values for each in named_components()]
    assert specs.count(("prompter", "manual:path=points.csv")) == 2


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[] if p.stem.startswith("sam") else [pytest.mark.slow], id=p.stem) for p in GENERATED],
)
@pytest.mark.filterwarnings("ignore:CUDA initialization:UserWarning")
def test_a_generated_variant_runs_with_one_command(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", str(path), "--offline", "--json"], prog_name="mitobench")
    captured = capsys.readouterr()
    assert ended.value.code in (0, None), captured.err
    found = json.loads(captured.out)
    assert found["failed"] == 0
    assert all(Path(step["checkpoint"]).is_file() for step in found["training"])
    assert all(score["ours"] is not None for score in found["published"])
    assert found["published"]
    assert all("generated" in score["differs"] for score in found["published"])
