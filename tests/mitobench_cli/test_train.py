"""``train`` gives a trainer its data, shows progress, and stops in a state from which the same command goes on."""

import json
import signal
import subprocess
import sys
import time

import pytest

from mitobench.checkpoints import read_card

TRAINER = """
    import mitobench
    from mitobench.descriptors import TrainerDescriptor

    @mitobench.hookimpl
    def mitobench_trainers():
        return [TrainerDescriptor(name="counter", target="foreign_plugin:Counter", options="foreign_plugin:Options", summary="counts", trains=("toy",))]

    def __getattr__(name):
        import json, time
        import numpy as np
        from mitobench.checkpoints import Card, write_checkpoint
        from mitobench.interfaces import TrainingEvent, TrainingResult
        from mitobench.options import ComponentOptions

        class Options(ComponentOptions):
            steps: int = 4
            delay: float = 0.0

        class Counter:
            '''Learns the mean grey value; each step sees one sample.'''

            def __init__(self, options, context):
                self.options, self.seed = options, context.seed

            def train(self, request):
                state = request.out.with_name(request.out.name + ".resume")
                done = json.loads(state.read_text()) if request.resume and state.exists() else 0
                refs = list(request.training.refs())
                while done < self.options.steps:
                    mean = float(refs[done % len(refs)].load().image.mean())
                    done += 1
                    request.out.parent.mkdir(parents=True, exist_ok=True)
                    state.write_text(json.dumps(done))
                    request.report(TrainingEvent(done=done, total=self.options.steps, epoch=1, values={"mean": mean}))
                    time.sleep(self.options.delay)
                    if request.should_stop():
                        return TrainingResult(checkpoint=request.out, finished=False, best={})
                held_out = len(list(request.validation.refs())) if request.validation else 0
                best = {"mean": mean, "seed": self.seed, "held out": held_out}
                write_checkpoint(request.out, {"mean": np.float32([mean])}, Card(component="toy", data=request.data, metrics=best))
                state.unlink()
                return TrainingResult(checkpoint=request.out, finished=True, best=best)

        return locals()[name]
"""


@pytest.fixture
def train(foreign, mitobench):
    foreign(TRAINER)
    return lambda *arguments: mitobench("train", *arguments)


def test_training_writes_a_checkpoint_whose_card_says_what_it_saw(train, tmp_path):
    result = train("counter", "--data", "toy-discs:n=3", "--out", "m/c.safetensors", "--seed", 7)
    assert result.code == 0
    assert result.out.startswith("wrote m/c.safetensors (best: mean ")
    assert "4/4 steps epoch 1  mean " in result.err
    card = read_card(tmp_path / "m/c.safetensors")
    assert card.data["spec"] == "toy-discs:n=3"
    assert card.data["samples"] == 3
    assert len(card.data["fingerprint"]) == 32
    assert card.metrics["seed"] == 7


def test_without_out_the_file_is_said(train, tmp_path):
    result = train("counter", "--data", "toy-discs")
    assert "checkpoint: models/counter-toy-discs.safetensors (choose another with --out)" in result.err
    assert (tmp_path / "models/counter-toy-discs.safetensors").exists()


def test_a_validation_source_reaches_the_trainer_and_json_is_pure(train):
    result = train("counter", "--data", "toy-discs", "--validation", "toy-discs:n=2,seed=1", "--json")
    assert json.loads(result.out)["best"]["held out"] == 2


def test_a_finished_checkpoint_is_not_replaced_by_accident(train):
    train("counter", "--data", "toy-discs", "--out", "c.safetensors")
    result = train("counter", "--data", "toy-discs", "--out", "c.safetensors")
    assert result.code == 2
    assert "--force" in result.err
    assert train("counter", "--data", "toy-discs", "--out", "c.safetensors", "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("countr", "--data", "toy-discs"), "Did you mean 'counter'?"),
        (("counter:stepz=2", "--data", "toy-discs"), "Did you mean 'steps'?"),
        (("counter", "--data", "toy-disks"), "Did you mean 'toy-discs'?"),
        (("counter", "--data", "toy-discs", "--out", "c.pth"), "ends in .safetensors"),
        (("counter",), "--data"),
    ],
)
def test_what_cannot_be_trained_is_a_usage_error(train, arguments, message):
    result = train(*arguments)
    assert result.code == 2
    assert message in result.err


def test_ctrl_c_leaves_a_state_from_which_the_same_command_goes_on(train, tmp_path):
    slow = ("train", "counter:steps=20,delay=0.2", "--data", "toy-discs", "--out", "c.safetensors")
    code = "from mitobench_cli.main import main; main()"
    running = subprocess.Popen([sys.executable, "-c", code, *slow], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    state, deadline = tmp_path / "c.safetensors.resume", time.monotonic() + 240
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=240)
    assert running.returncode == 130, err
    assert "interrupted; the same command resumes" in err
    assert not (tmp_path / "c.safetensors").exists()
    done = int(state.read_text())
    assert 0 < done < 20
    result = train("counter:steps=20", "--data", "toy-discs", "--out", "c.safetensors")
    assert result.code == 0
    assert not state.exists()


def test_ctrl_c_twice_stops_at_once_and_the_same_command_resumes(train, twice_interrupted, tmp_path):
    """A step takes ten minutes; nobody waits for it."""
    state = tmp_path / "c.safetensors.resume"
    slow = ("train", "counter:delay=600", "--data", "toy-discs", "--out", "c.safetensors")
    result = twice_interrupted(*slow, begun=state)
    assert result.code == 130, result.err
    assert "stopped at once; the same command resumes" in result.err
    assert state.read_text() == "1"
    assert not (tmp_path / "c.safetensors").exists()
    assert train("counter", "--data", "toy-discs", "--out", "c.safetensors").code == 0
    assert not state.exists()


def test_no_resume_starts_anew(train, tmp_path):
    (tmp_path / "c.safetensors.resume").write_text("3")
    assert "1/4" not in train("counter", "--data", "toy-discs", "--out", "c.safetensors").err
    (tmp_path / "d.safetensors.resume").write_text("not json")
    assert train("counter", "--data", "toy-discs", "--out", "d.safetensors", "--no-resume").code == 0


def test_several_data_sources_are_learnt_from_together(train, tmp_path):
    result = train(
        "counter",
        "--data",
        "toy-discs:n=3",
        "--data",
        "toy-discs:n=2",
        "--validation",
        "toy-discs:n=1",
        "--out",
        "m.safetensors",
    )
    assert result.code == 0
    card = read_card(tmp_path / "m.safetensors")
    assert card.data["spec"] == "toy-discs:n=3 + toy-discs:n=2"
    assert card.data["samples"] == 5
    assert card.metrics["held out"] == 1
