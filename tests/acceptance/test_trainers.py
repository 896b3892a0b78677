"""Every trainer, through the command: bad data end in a message, Ctrl-C leaves what the same command goes on from, and a
seed gives the same weights to the bit."""

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from mitobench.checkpoints import Card, read_card, read_checkpoint, write_checkpoint
from mitobench.plugins import Plugins
from mitobench_cli.main import cli
from mitobench_sam.architecture import Architecture, random_sam

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
os.environ.update({name: value for name, value in ONE_THREAD.items() if name.startswith("TF_")})

COMMAND = [sys.executable, "-c", "from mitobench_cli.main import main; main()", "train"]
DISCS = "toy-discs:n=12,size=32"
SAM = Architecture(
    encoder="pyramid",
    embed_dim=32,
    depth=2,
    heads=2,
    global_blocks=(1,),
    window=1,
    image_size=64,
    prompt_dim=32,
    decoder_mlp=32,
)
TRAINERS = {
    "unet": "unet:channels=[4,8],residual_units=1,patch=32,batch=2,steps_per_epoch=80,epochs={epochs}",
    "unet-keras": "unet-keras:channels=[4,8],size=16,batch=1,epochs={epochs}",
    "yolo": "yolo:image_size=64,batch=2,epochs={epochs}",
    "sam": "sam:image_size=64,width=32,depth=2,heads=2,attention=[1],prompt_dim=32,decoder_mlp=32,batch=1,epochs={epochs}",
    "sam-ft decoder": "sam-ft:train=decoder,base={base},lr=1e-3,batch=1,epochs={epochs}",
    "sam-ft lora": "sam-ft:train=lora,base={base},lr=1e-3,batch=1,epochs={epochs}",
    "sam-ft all": "sam-ft:train=all,base={base},lr=1e-3,batch=1,epochs={epochs}",
}
EPOCHS = {"unet": 2, "unet-keras": 3, "yolo": 2, "sam": 3}
KNOWN = {name.partition(" ")[0] for name in TRAINERS}
NEEDS = {"unet-keras": "tensorflow", "yolo": "ultralytics"}

pytestmark = pytest.mark.filterwarnings("default")  # of other libraries' on their first import in this process


@dataclass(frozen=True)
class Ended:
    code: int
    err: str


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A SAM of random weights to fine-tune."""
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    tensors = {key: value.numpy() for key, value in random_sam(SAM, 0).state_dict().items()}
    write_checkpoint(path, tensors, Card(component="sam", architecture=SAM.plain()))
    return path


@pytest.fixture(params=list(TRAINERS))
def trainer(request) -> str:
    """A trainer and what of it is trained; skips where its extra is not installed."""
    needed = NEEDS.get(request.param)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    return request.param


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch) -> Iterator[None]:
    """An empty working directory, and one thread as in the processes that are started."""
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def arguments(trainer: str, base: Path, data: str, out: str, *, epochs: int = 1) -> list[str]:
    return [TRAINERS[trainer].format(base=base, epochs=epochs), "--data", data, "--out", out, "--device", "cpu"]


def train(capfd, *given: str) -> Ended:
    """Run the command in this process."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", *given], prog_name="mitobench")
    return Ended(int(ended.value.code or 0), capfd.readouterr().err)


def interrupt(*given: str) -> Ended:
    """Run the command in a terminal of its own and press Ctrl-C as soon as it shows a step."""
    pty = pytest.importorskip("pty", reason="needs a terminal as Unix has it")
    ours, theirs = pty.openpty()
    environment = {**os.environ, **ONE_THREAD, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"}
    running = subprocess.Popen([*COMMAND, *given], stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    shown, sent, deadline = b"", False, time.monotonic() + 600
    try:
        while (new := read(ours)) and time.monotonic() < deadline:
            shown += new
            if not sent and re.search(rb"(?<!\d)[1-9]\d*/\d", shown):
                running.send_signal(signal.SIGINT)
                sent = True
        return Ended(running.wait(timeout=240), shown.decode(errors="replace"))
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def read(terminal: int) -> bytes:
    """What a terminal shows next; b"" when nobody writes to it any more."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


@pytest.mark.slow
def test_ctrl_c_and_the_same_command_again_give_the_weights_of_an_undisturbed_training(trainer, base, capfd):
    given = [arguments(trainer, base, DISCS, f"{n}.safetensors", epochs=EPOCHS.get(trainer, 4)) for n in ("a", "b")]
    stopped = interrupt(*given[0])
    assert stopped.code == 130, stopped.err
    assert "interrupted; the same command resumes" in stopped.err
    assert Path("a.safetensors.resume").exists()
    assert not Path("a.safetensors").exists()
    for command in given:
        ended = train(capfd, *command)
        assert ended.code == 0, ended.err
        assert bool(re.search(r"^resumed after [1-9]\d* of \d+ steps$", ended.err, re.MULTILINE)) == (
            command is given[0]
        )
    halting, straight = (read_checkpoint(Path(f"{name}.safetensors")) for name in ("a", "b"))
    assert not list(Path().glob("*.resume"))
    assert halting[0].keys() == straight[0].keys()
    for name, value in straight[0].items():
        np.testing.assert_array_equal(halting[0][name], value, err_msg=name)
    assert halting[1].metrics == straight[1].metrics


@pytest.mark.slow
def test_a_training_that_is_killed_in_its_first_validation_goes_on_to_the_same_weights(
    trainer, base, capfd, monkeypatch
):
    halting, straight = [arguments(trainer, base, DISCS, f"{n}.safetensors", epochs=2) for n in ("a", "b")]
    with monkeypatch.context() as patched:
        patched.setattr("mitobench.training.loop._validated", interrupted)
        assert train(capfd, *halting).code == 130
    ended = train(capfd, *halting)
    assert ended.code == 0, ended.err
    steps = re.search(r"^resumed after (\d+) of (\d+) steps$", ended.err, re.MULTILINE)
    assert steps is not None
    assert 2 * int(steps[1]) == int(steps[2])
    assert train(capfd, *straight).code == 0
    found, expected = (read_checkpoint(Path(f"{name}.safetensors")) for name in ("a", "b"))
    assert found[0].keys() == expected[0].keys()
    for name, value in expected[0].items():
        np.testing.assert_array_equal(found[0][name], value, err_msg=name)
    assert (found[1].metrics, found[1].history) == (expected[1].metrics, expected[1].history)


def interrupted(*_given: object) -> None:
    raise KeyboardInterrupt


def write(labels: list[np.ndarray]) -> str:
    """Noisy images with objects a little brighter, and their labels, as files; the data source's spec."""
    for folder in ("data/images", "data/labels"):
        Path(folder).mkdir(parents=True)
    for number, mask in enumerate(labels):
        noise = np.random.default_rng(number).normal(90, 12, mask.shape)
        tifffile.imwrite(f"data/images/{number}.tif", np.clip(noise + 60 * (mask > 0), 0, 255).astype(np.uint8))
        tifffile.imwrite(f"data/labels/{number}.tif", mask)
    return "folder:root=data,reference=instance"


def picture(objects: str) -> np.ndarray:
    """Labels (32, 32): no object, one square, one that fills the image, or one of a single pixel."""
    labels = np.zeros((32, 32), np.uint16)
    if objects != "none":
        labels[{"square": np.s_[8:20, 6:18], "all": np.s_[:], "pixel": np.s_[5:6, 7:8]}[objects]] = 7
    return labels


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (["none", "none", "none"], "none of the 2 training samples holds an object"),
        (["square"], "expected at least one to learn from"),
    ],
    ids=["no objects", "one image"],
)
def test_data_that_nothing_can_be_learnt_from_end_in_a_message(trainer, base, capfd, objects, message):
    ended = train(capfd, *arguments(trainer, base, write([picture(o) for o in objects]), "x.safetensors"))
    assert ended.code == 3
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not list(Path().glob("x.safetensors*"))


@pytest.mark.parametrize(
    "objects",
    [["all", "all", "all"], ["square", "none", "none", "square"], ["pixel", "pixel", "pixel"]],
    ids=["objects as large as the image", "empty masks among others", "objects of one pixel"],
)
def test_odd_objects_can_be_learnt_from(trainer, base, capfd, objects):
    ended = train(capfd, *arguments(trainer, base, write([picture(o) for o in objects]), "x.safetensors"))
    assert ended.code == 0, ended.err
    weights, card = read_checkpoint(Path("x.safetensors"))
    assert all(np.isfinite(value).all() for value in weights.values())
    assert np.isfinite(list(card.metrics.values())).all()


def test_a_validation_block_without_objects_ends_in_a_message(trainer, base, capfd):
    data = write([picture(objects) for objects in ("square", "square", "none")])
    ended = train(capfd, *arguments(trainer, base, data, "x.safetensors"))
    assert ended.code == 3, ended.err
    assert "none of the 1 validation samples holds an object" in ended.err
    assert not list(Path().glob("x.safetensors*"))


def test_images_without_labels_end_in_a_message(trainer, base, capfd):
    write([picture("square")] * 3)
    ended = train(capfd, *arguments(trainer, base, "folder:images=data/images", "x.safetensors"))
    assert ended.code == 3
    assert "has no reference" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["unet", "unet-keras", "yolo", "sam"], indirect=True)
def test_a_checkpoint_that_goes_on_from_another_names_the_images_of_both(trainer, base, capfd):
    spec, *others = arguments(trainer, base, DISCS, "first.safetensors")
    assert train(capfd, spec, *others).code == 0
    spec, *others = arguments(trainer, base, "toy-discs:n=12,size=48", "second.safetensors")
    ended = train(capfd, f"{spec},init=first.safetensors", *others)
    assert ended.code == 0, ended.err
    first, second = (set(read_card(Path(f"{name}.safetensors")).training_origins) for name in ("first", "second"))
    assert first < second


def test_the_version_that_decides_whether_a_checkpoint_is_used_again_is_that_of_the_code():
    """``made_by`` knows the descriptor's version; a card the code's."""
    trainers = [c.descriptor for c in Plugins.discover().components("trainer") if c.descriptor.name in KNOWN]
    assert {d.name for d in trainers} == KNOWN
    for descriptor in trainers:
        module = descriptor.target.partition(":")[0]
        if find_spec(NEEDS.get(descriptor.name, "json")) is not None:
            assert descriptor.version == importlib.import_module(module).VERSION
