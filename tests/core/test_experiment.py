"""Experiment files: what they may say, and what is answered to what they may not."""

from pathlib import Path

import pytest

from mitobench.errors import UsageError
from mitobench.experiment import Experiment, read_experiment
from mitobench.specs import Spec

WHOLE = """
seed = 3
limit = 5
prompters = ["gt-box:jitter=2", "grid"]
metrics = "instance"

[[data]]
name = "synthetic"
kind = "em"
size = [64, 32]

[[data]]
name = "someone/folder"
images = "pictures"

[[segmenters]]
name = "unet"
threshold = 0.3
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str | bytes) -> Experiment:
        path = tmp_path / "experiment.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_experiment(path)

    return write_and_read


def test_specs_are_strings_or_tables_and_one_may_stand_alone(read, tmp_path):
    experiment = read(WHOLE)
    assert experiment.data == (
        Spec("synthetic", {"kind": "em", "size": [64, 32]}),
        Spec("folder", {"images": "pictures"}, "someone"),
    )
    assert experiment.prompters == (Spec("gt-box", {"jitter": 2}), Spec("grid"))
    assert experiment.segmenters == (Spec("unet", {"threshold": 0.3}),)
    assert experiment.metrics == (Spec("instance"),)
    assert (experiment.seed, experiment.limit) == (3, 5)


def test_relative_paths_start_from_the_file_s_folder(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    assert read(WHOLE).base == tmp_path.resolve()
    assert read_experiment(Path(tmp_path.name) / "experiment.toml").base == tmp_path.resolve()


def test_what_is_left_out_has_a_default(read):
    experiment = read("data = ['synthetic']\nsegmenters = ['unet']\n")
    assert (experiment.prompters, experiment.metrics, experiment.seed, experiment.limit) == ((), (), 0, None)
    assert Experiment(data=(), segmenters=()).base == Path.cwd()


NEEDED = "data = ['synthetic']\nsegmenters = ['unet']\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("segmenters = ['unet']", "no data"),
        ("data = ['synthetic']", "no segmenters"),
        ("data = []\nsegmenters = ['unet']", "no data"),
        (NEEDED + "prompter = ['grid']", "unknown key 'prompter'. Did you mean 'prompters'?"),
        (NEEDED + "sead = 1", "unknown key 'sead'. Did you mean 'seed'?"),
        (NEEDED + "base = '/'", "unknown key 'base'"),
        (NEEDED + "seed = '1'", "seed is '1'; expected an integer of 0 or more"),
        (NEEDED + "seed = true", "seed is True"),
        (NEEDED + "seed = -1", "seed is -1"),
        (NEEDED + "limit = 0", "limit is 0; expected an integer of 1 or more"),
        (NEEDED + "limit = 2.5", "limit is 2.5"),
        (NEEDED + "metrics = 3", "metrics is 3; expected a list of specs or tables"),
        (NEEDED + "metrics = ['instance', 3]", "metrics number 2 is 3; expected a spec or a table with a name"),
        (NEEDED + "metrics = ['a:b']", "metrics number 1: spec 'a:b'"),
        (NEEDED + "[[metrics]]\nnam = 'instance'", "metrics number 1: component {'nam': 'instance'}: expected a name"),
        (NEEDED + "[[metrics]]\nname = 'instance:a=1'\nb = 2", "either in the name or as keys"),
        ("data = [", "not valid TOML"),
        (b"\xff\xfe", "not a text file in UTF-8"),
    ],
)
def test_what_makes_no_sense_is_named_with_the_file(read, tmp_path, text, message):
    with pytest.raises(UsageError) as error:
        read(text)
    assert message in str(error.value)
    assert str(tmp_path / "experiment.toml") in str(error.value)


def test_a_file_that_is_absent_or_a_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="no such experiment file"):
        read_experiment(tmp_path / "absent.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_experiment(tmp_path)


STEPS = """
data = ["toy:root=$data/x"]
segmenters = ["unet:checkpoint=$run/m.safetensors"]
data_from = "the shop"

[[train]]
out = "$run/m.safetensors"
data = ["toy:root=$data/x,split=train", "folder:root=near"]
seed = 4
[train.trainer]
name = "unet"
init = "$run/other.safetensors"
note = "$dollar"

[[published]]
column = "Dice"
value = 1
source = "a book"
differs = ""
prompter = "gt-box:jitter=2"

[[published]]
column = "loss"
value = 0.5
source = "a book"
differs = "much"
checkpoint = "m.safetensors"
"""


def test_training_steps_and_published_numbers_are_read_with_their_places(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(STEPS)
    experiment = read_experiment(path, data_root=tmp_path / "d", run=tmp_path / "r")
    assert experiment.data == (Spec("toy", {"root": str(tmp_path / "d/x")}),)
    assert experiment.segmenters == (Spec("unet", {"checkpoint": str(tmp_path / "r/m.safetensors")}),)
    assert experiment.data_from == "the shop"
    (step,) = experiment.train
    assert step.out == tmp_path / "r/m.safetensors"
    assert step.trainer.options == {"init": str(tmp_path / "r/other.safetensors"), "note": "$dollar"}
    assert [spec.options["root"] for spec in step.data] == [str(tmp_path / "d/x"), "near"]
    assert (step.seed, step.validation) == (4, ())
    first, second = experiment.published
    assert (first.column, first.value, first.differs, first.prompter) == ("Dice", 1, "", Spec("gt-box", {"jitter": 2}))
    assert (second.checkpoint, second.segmenter) == (tmp_path / "m.safetensors", None)


STEP = "[[train]]\ntrainer = 'unet'\ndata = ['synthetic']\nout = 'm.safetensors'\n"
SCORE = "[[published]]\ncolumn = 'IoU'\nvalue = 1\nsource = 'x'\ndiffers = 'y'\nsegmenter = 'unet'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STEP.replace("'unet'", "['unet', 'sam-ft']"), "train number 1: 2 trainers; expected one"),
        (STEP.replace("trainer = 'unet'", ""), "train number 1: 0 trainers"),
        (STEP.replace("data = ['synthetic']", ""), "train number 1: no data"),
        (STEP.replace("out = 'm.safetensors'", ""), "train number 1: out is None"),
        (STEP.replace("m.safetensors", "m.pth"), "ends in .safetensors"),
        (STEP + "epochs = 3", "train number 1: unknown key 'epochs'"),
        (STEP + "seed = 'x'", "train number 1: seed is 'x'"),
        ("train = 'unet'", "expected tables [[train]]"),
        (SCORE.replace("value = 1", "value = 'one'"), "published number 1: value is 'one'"),
        (SCORE.replace("differs = 'y'", ""), "published number 1: differs is None"),
        (SCORE.replace("source = 'x'", "source = ''"), "published number 1: source is ''"),
        (SCORE.replace("segmenter = 'unet'", ""), "expected either checkpoint, or at least one of"),
        (SCORE + "checkpoint = 'm.safetensors'", "expected either checkpoint, or at least one of"),
        (SCORE + "segmentor = 'a'", "published number 1: unknown key 'segmentor'. Did you mean 'segmenter'?"),
        ("metrics = ['instance:a=$data/x']", "give --data-root DIR"),
        ("metrics = ['instance:a=$run/x']", "give a run folder"),
    ],
)
def test_steps_and_published_numbers_that_make_no_sense_are_named(read, text, message):
    with pytest.raises(UsageError) as error:
        read(NEEDED + text)
    assert message in str(error.value)
