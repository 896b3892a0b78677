"""``predict``: from images without a reference to labels and measurements, with named components or a run's best."""

import csv
import importlib.resources
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from PIL import Image

from mitobench.matched_labels import match_labels
from mitobench.plugins import Plugins

TOY = ("--segmenter", "toy-threshold")
PROMPTED = ("--prompter", "toy-centres", "--segmenter", "toy-flood")
COMMAND = (sys.executable, "-c", "from mitobench_cli.main import main; main()")


@pytest.fixture
def images(tmp_path):
    """A folder of three images of bright squares: 1, 2 and 3 of them."""
    folder = tmp_path / "images"
    folder.mkdir()
    for count in (1, 2, 3):
        pixels = np.full((40, 60), 20, np.uint8)
        for index in range(count):
            pixels[10:20, 5 + 18 * index : 15 + 18 * index] = 220
        tifffile.imwrite(folder / f"im{count}.tif", pixels)
    return folder


@pytest.fixture(scope="module")
def em(tmp_path_factory):
    """A generated electron micrograph of 512 x 512 pixels as a file, and the objects in it."""
    plugins = Plugins.discover()
    component = plugins.find("data", "synthetic")
    options = component.options_model()(kind="em", n=1, size=512, seed=2)
    sample = next(iter(component.target()(options, None).refs())).load()
    path = tmp_path_factory.mktemp("em") / "em.tif"
    tifffile.imwrite(path, sample.image)
    return path, sample.labels


def agreement(reference, predicted):
    """F1 at an IoU of 0.5."""
    found = match_labels(reference, predicted, threshold=0.5)
    return 2 * len(found.predicted) / (2 * len(found.predicted) + len(found.spurious) + len(found.missed))


def test_a_folder_of_images_becomes_labels_and_one_table(mitobench, images, tmp_path):
    result = mitobench("predict", images, *TOY, "--out", "out")
    assert result.code == 0
    assert [line.split()[:3] for line in result.out.splitlines()[:4]] == [
        ["IMAGE", "OBJECTS", "TILES"],
        *(["im" + n, n, "1"] for n in "123"),
    ]
    assert "6 objects in 3 images: out/measurements.csv" in result.out
    assert "3 images done, 0 failed" in result.err
    assert tifffile.imread(tmp_path / "out/labels/im3.tif").max() == 3
    with (tmp_path / "out/measurements.csv").open(newline="") as file:
        assert [row["area_px"] for row in csv.DictReader(file)] == ["100"] * 6
    about = json.loads((tmp_path / "out/predict.json").read_text())
    assert about["segmenter"]["identity"]["component"] == "mitobench-toy/toy-threshold"
    assert {"python", "mitobench", "numpy"} <= set(about["versions"])
    assert about["tiling"] == {"asked": "auto", "overlap": None}


def test_json_is_all_there_is_on_stdout_and_the_same_command_does_nothing_again(process, images):
    first, second = (
        process("predict", images / "im2.tif", *PROMPTED, "--out", "out", "--pixel-size", "8,4", "--json")
        for _ in range(2)
    )
    found = json.loads(first.out)
    assert (first.code, found["exit_code"], found["done"], found["skipped"]) == (0, 0, 1, 0)
    assert (found["prompter"], found["segmenter"]) == ("toy-centres", "toy-flood")
    image = found["images"][0]
    assert (image["objects"], image["shape"], image["pixel_size_nm"]) == (2, [40, 60], [8.0, 4.0])
    assert json.loads(second.out)["skipped"] == 1


def test_images_may_come_from_a_data_source(mitobench, tmp_path):
    result = mitobench("predict", "--data", "toy-discs:n=2", *PROMPTED, "--out", "out", "--tile", "32", "--json")
    found = json.loads(result.out)
    assert [(i["image"], i["tiles"], i["tile_side"], i["overlap"]) for i in found["images"]] == [
        ("disc0", 4, 32, 8),
        ("disc1", 4, 32, 8),
    ]
    whole = mitobench("predict", "--data", "toy-discs:n=2", *PROMPTED, "--out", "whole", "--tile", "off", "--json")
    assert [i["objects"] for i in found["images"]] == [i["objects"] for i in json.loads(whole.out)["images"]] == [4, 7]


def test_overlays_and_rois_are_written_where_asked_for(mitobench, images, tmp_path):
    mitobench("predict", images, *TOY, "--out", "out", "--overlay", "--roi-zip")
    assert sorted(p.name for p in (tmp_path / "out/overlays").iterdir()) == [f"im{n}.png" for n in "123"]
    assert sorted(p.name for p in (tmp_path / "out/rois").iterdir()) == [f"im{n}.zip" for n in "123"]


def test_an_overlay_of_a_dark_image_shows_it_with_its_contrast_stretched(mitobench, images, tmp_path):
    for path in images.iterdir():
        tifffile.imwrite(path, tifffile.imread(path) // 5)
    mitobench("predict", images, *TOY, "--out", "out", "--overlay")
    overlay = np.asarray(Image.open(tmp_path / "out/overlays/im1.png"))
    assert (overlay[0, 0].tolist(), overlay[15, 10].tolist()) == ([0, 0, 0], [255, 255, 255])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((*TOY,), "name the images"),
        (("images", "--data", "toy-discs", *TOY), "one of the two"),
        (("images",), "say what segments"),
        (("images", *TOY, "--from", "run"), "say what segments"),
        (("images", *TOY, "--best", "Dice"), "give --from RUN"),
        (("images", *TOY, "--tile", "31"), "auto, off or a side of 32"),
        (("images", *TOY, "--tile", "64", "--overlap", "33"), "at most half a tile, 32"),
        (("images", *TOY, "--pixel-size", "0"), "one positive number or two"),
        (("images", *TOY, "--read", "axis=ZYX"), "unknown option 'axis'"),
        (("images", *TOY, "--read", "labels=x"), "none has labels"),
        (("--data", "toy-discs", *TOY, "--pixel-size", "4"), "are for IMAGES"),
        (("images", "--segmenter", "toy-flood"), "toy-flood needs prompts and"),
        (("images", "--prompter", "toy-boxes", "--segmenter", "toy-flood"), "toy-flood accepts only point"),
        (
            ("images", "--prompter", "toy-oracle", "--segmenter", "toy-flood"),
            "toy-oracle is an oracle: it looks at the",
        ),
        (("images", "--segmenter", "toy-thresold"), "Did you mean 'toy-threshold'"),
        (("images", "--from", "images"), "no run here"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(mitobench, images, tmp_path, given, said):
    result = mitobench("predict", *given, "--out", "out")
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "out").exists()


def test_absent_images_and_components_have_their_exit_codes(mitobench, images):
    assert mitobench("predict", "nowhere", *TOY, "--out", "out").code == 3
    assert (
        mitobench("predict", images, "--prompter", "toy-centres", "--segmenter", "toy-absent", "--out", "o").code == 4
    )


def test_a_prompter_that_the_segmenter_has_no_use_for_is_said(mitobench, images):
    result = mitobench("predict", images, "--prompter", "toy-centres", *TOY, "--out", "out", "--json")
    assert "toy-threshold takes no prompts; --prompter toy-centres is not used" in result.err
    assert json.loads(result.out)["prompter"] == "none"


def test_a_broken_image_costs_only_itself(mitobench, images):
    (images / "im2.tif").write_bytes(b"II*\0")
    result = mitobench("predict", images, *TOY, "--out", "out")
    assert result.code == 1
    assert "failed: im2: " in result.err
    assert "4 objects in 2 images" in result.out


def test_names_are_inert_in_the_terminal_and_harmless_as_files(mitobench, images, tmp_path):
    hostile = "\x1b[31m<b>'.tif"
    (images / "im1.tif").rename(images / hostile)
    result = mitobench("predict", images, *TOY, "--out", "out")
    assert "\x1b" not in result.out + result.err
    names = [p.name for p in (tmp_path / "out/labels").iterdir()]
    assert len(names) == 3
    assert not any(set(name) & set("\x1b<>'[") for name in names)


def test_the_best_of_a_run_is_put_to_work_on_images_like_those_that_it_was_scored_on(mitobench, images, tmp_path):
    matrix = ("--prompter", "toy-centres", "--prompter", "toy-oracle", "--segmenter", "toy-flood")
    worse = ("--segmenter", "toy-flood:threshold=150")
    mitobench("run", "--data", "toy-discs:size=32", *matrix, *worse, "--metric", "toy-overlap", "--out", "run")
    result = mitobench("predict", images, "--from", "run", "--best", "Dice", "--out", "out", "--json")
    found = json.loads(result.out)
    assert (found["prompter"], found["segmenter"]) == ("toy-centres", "toy-flood")
    assert "best by Dice" in result.err
    assert [(i["objects"], i["tile_side"]) for i in found["images"]] == [(1, 32), (2, 32), (3, 32)]
    about = json.loads((tmp_path / "out/predict.json").read_text())
    assert (about["from"]["column"], about["from"]["data"], about["from"]["run"]) == (
        "Dice",
        "toy-discs:size=32",
        "run",
    )
    assert mitobench("predict", images, "--from", "run", "--best", "mSA", "--out", "o").code == 2


def test_label_images_of_another_tool_that_scored_best_are_passed_over_and_that_is_said(mitobench, images, tmp_path):
    base = ("run", "--data", "toy-discs:size=32", "--metric", "toy-overlap")
    mitobench(*base, "--segmenter", "toy-threshold", "--out", "other")
    (made,) = (tmp_path / "other/predictions").glob("*/")
    given = ("--segmenter", f"predictions:folder='{made}',name=Other", "--segmenter", "toy-threshold:threshold=150")
    assert mitobench(*base, *given, "--out", "run").code == 0
    result = mitobench("predict", images, "--from", "run", "--out", "out")
    assert result.code == 0
    assert "passed over: Other (predictions)" in result.err
    assert "none + toy-threshold:threshold=150" in result.err


def test_an_export_is_no_run_to_take_components_from(mitobench, images, tmp_path):
    (tmp_path / "x.zip").touch()
    result = mitobench("predict", images, "--from", "x.zip", "--out", "out")
    assert result.code == 2
    assert "needs the run folder" in result.err
    assert "not an export" in result.err


def test_a_run_s_weights_that_have_changed_are_refused(mitobench, images, tmp_path):
    weights = importlib.resources.files("mitobench_unet") / "weights"
    checkpoint = tmp_path / "mine.safetensors"
    shutil.copy(weights / "unet-nuclei.safetensors", checkpoint)
    data = ("--data", "synthetic:kind=nuclei,n=1,size=64")
    mitobench("run", *data, "--segmenter", f"unet:checkpoint={checkpoint}", "--device", "cpu", "--out", "run")
    assert mitobench("predict", images, "--from", "run", "--device", "cpu", "--out", "out").code == 0
    shutil.copy(weights / "unet-em.safetensors", checkpoint)
    result = mitobench("predict", images, "--from", "run", "--device", "cpu", "--out", "changed")
    assert result.code == 4
    assert "its weights are not those that run scored" in result.err
    assert not (tmp_path / "changed").exists()


def test_the_bundled_unet_finds_the_same_objects_whole_and_in_tiles(mitobench, em, tmp_path):
    path, reference = em
    for out, tile in (("whole", "off"), ("tiled", "256")):
        settings = ("--segmenter", "unet", "--tile", tile, "--device", "cpu", "--offline")
        assert mitobench("predict", path, *settings, "--out", out).code == 0
    whole, tiled = (tifffile.imread(tmp_path / out / "labels/em.tif") for out in ("whole", "tiled"))
    assert agreement(reference, whole) > 0.4
    assert agreement(whole, tiled) > 0.9
    assert (whole > 0).mean() == pytest.approx((tiled > 0).mean(), rel=0.1)


def test_a_prompted_segmenter_is_given_tiles_of_its_own_input_and_no_reference(mitobench, em, tmp_path):
    large = tmp_path / "large.tif"
    tifffile.imwrite(large, np.tile(tifffile.imread(em[0]), (1, 2))[:, :800])
    settings = ("--prompter", "unet:emit=box", "--segmenter", "sam-ft", "--device", "cpu", "--offline")
    result = mitobench("predict", large, *settings, "--out", "out", "--json")
    image = json.loads(result.out)["images"][0]
    assert (result.code, image["tile_side"], image["overlap"], image["tiles"]) == (0, 512, 128, 2)
    assert image["objects"] > 3


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(images, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    spec = f"toy-threshold:log={log},delay=1.0"
    command = [*COMMAND, "predict", str(images), "--segmenter", spec, "--out", str(out)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert "the same command resumes" in said
    done = len(list((out / ".images").iterdir()))
    assert done < 3
    resumed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"{3 - done} images done, 0 failed" in resumed.stderr
    assert resumed.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("segmenter", [("unet",), ("sam-ft", "--prompter", "unet", "--tile", "1024")])
def test_an_image_of_4096_pixels_a_side_stays_under_three_gigabytes(em, tmp_path, segmenter):
    if os.environ.get("MITOBENCH_SLOW") != "1":
        pytest.skip("takes a minute; set MITOBENCH_SLOW=1 to run it")
    image = tmp_path / "big.tif"
    tifffile.imwrite(image, np.tile(tifffile.imread(em[0]), (8, 8)))
    settings = ["--segmenter", *segmenter, "--device", "cpu", "--offline", "--out", str(tmp_path / "out")]
    running = subprocess.Popen([*COMMAND, "predict", str(image), *settings])
    try:
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    finally:
        running.kill()
    assert running.returncode == 0
    assert used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) < 3e9
    assert tifffile.imread(tmp_path / "out/labels/big.tif").shape == (4096, 4096)
