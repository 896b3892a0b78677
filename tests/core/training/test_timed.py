"""Options of trainers with epochs and minutes: minutes alone are the length of a training, and its identity says so."""

import pytest

from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench.specs import parse_spec
from mitobench.training.sweep import Sweep, plan_sweep

TIMED = ("sam", "sam-ft", "unet", "yolo")


@pytest.fixture(scope="module")
def models():
    """The options of every trainer, by its name; those of a trainer whose extra is not installed too."""
    return {c.descriptor.name: c.options_model() for c in Plugins.discover().components("trainer")}


def test_every_trainer_with_epochs_and_minutes_is_known_here(models):
    both = {name for name, model in models.items() if {"epochs", "minutes"} <= set(model.model_fields)}
    assert both == set(TIMED)


@pytest.mark.parametrize("name", TIMED)
def test_minutes_alone_leave_no_number_of_epochs(models, name):
    model = models[name]
    usual = model.model_fields["epochs"].default
    asked = {
        "nothing": {},
        "minutes": {"minutes": 10},
        "both": {"minutes": 10, "epochs": usual},
        "epochs": {"epochs": usual},
    }
    parsed = {key: parse_options(model, given, owner=name) for key, given in asked.items()}
    assert [(p.epochs, p.minutes) for p in parsed.values()] == [(usual, None), (None, 10), (usual, 10), (usual, None)]
    assert parsed["minutes"].identity() != parsed["both"].identity()
    assert parsed["nothing"].identity() == parsed["epochs"].identity()


@pytest.mark.parametrize("name", TIMED)
def test_the_descriptions_say_what_minutes_alone_mean(models, name):
    fields = models[name].model_fields
    assert "minutes= alone" in fields["epochs"].description
    assert "instead of" in fields["minutes"].description


@pytest.mark.parametrize(
    ("options", "epochs"),
    [("minutes=5", [None, None]), ("minutes=5,epochs=3", [6, 3]), ("epochs=3", [6, 3]), ("epochs='3'", [6, 3])],
)
def test_equal_steps_of_a_sweep_leave_a_training_by_time_alone(bench, tmp_path, options, epochs):
    asked = Sweep(
        trainer=parse_spec(f"sam:{options}"),
        data=(parse_spec("toy-discs:n=4"),),
        evaluate=(parse_spec("toy-discs:n=1"),),
        prompters=(parse_spec("toy-centres"),),
        sizes=(1, 2),
        seeds=1,
        equal_steps=True,
    )
    planned = plan_sweep(asked, bench.plugins, bench.store, tmp_path)
    assert [step.training.trainer.identity["options"]["epochs"] for step in planned.steps] == epochs


@pytest.mark.parametrize("name", TIMED)
def test_neither_epochs_nor_minutes_is_refused(models, name):
    with pytest.raises(UsageError, match="never end"):
        parse_options(models[name], {"epochs": None}, owner=name)
