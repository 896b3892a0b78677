"""A step and a validation are what Keras's own ``compile`` and ``fit`` do."""

from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench.seeds import derive_rng
from mitobench_keras.architecture import Architecture, build_model
from mitobench_keras.learner import Learner
from mitobench_keras.options import TrainerOptions
from mitobench_keras.pool import Pool

ARCHITECTURE = Architecture(channels=(4, 8), size=16)
# TensorFlow's arrays meet numpy 2's __array__ protocol inside Keras's own train_on_batch.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def _pool(count, seed=0, *, foreground=0.3, counted=None):
    rng = np.random.default_rng(seed)
    targets = rng.random((count, 16, 16)) < foreground
    images = np.clip(80 + 90 * targets + rng.normal(0, 20, targets.shape), 0, 255).astype(np.uint8)
    counts = np.ones_like(targets) if counted is None else counted
    return Pool(images, targets, counts, count, (), ())


def _learner(training, validation=None, **options):
    given = TrainerOptions(**{"channels": (4, 8), "size": 16, "batch": 4, "epochs": 2, **options})
    model = build_model(ARCHITECTURE, seed=1)
    held_out = validation if validation is not None else _pool(3, 9)
    return model, Learner(model, given, seed=0, device="/CPU:0", training=training, validation=held_out)


def _as_keras(pool, chosen):
    return (pool.images[chosen] / np.float32(255))[..., None], pool.targets[chosen].astype(np.float32)[..., None]


def test_steps_are_those_of_keras_compile_and_fit(notebook_unet):
    pool = _pool(10)
    model, learner = _learner(pool, lr=1e-3)
    theirs = notebook_unet((4, 8), 16)
    theirs.set_weights(model.get_weights())
    for step in range(6):
        order = derive_rng(0, "unet-keras", "epoch", step // 3).permutation(10)
        chosen = order[step % 3 * 4 : step % 3 * 4 + 4]
        theirs.reset_metrics()
        loss, accuracy = theirs.train_on_batch(*_as_keras(pool, chosen))
        found = learner.step(step, 0.0)
        assert found["loss"] == pytest.approx(float(loss), rel=1e-5)
        assert found["accuracy"] == pytest.approx(float(accuracy), abs=1e-6)
    for ours, expected in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_validation_is_that_of_keras_evaluate(notebook_unet):
    held_out = _pool(7, 4)
    model, learner = _learner(_pool(4), held_out)
    theirs = notebook_unet((4, 8), 16)
    theirs.set_weights(model.get_weights())
    loss, accuracy = theirs.evaluate(*_as_keras(held_out, slice(None)), batch_size=7, verbose=0)
    found = learner.validate()
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    predicted = model(_as_keras(held_out, slice(None))[0]).numpy()[..., 0] > 0.5
    shared = (predicted & held_out.targets).sum()
    assert found["dice"] == pytest.approx(2 * shared / (predicted.sum() + held_out.targets.sum()))


def test_an_epoch_sees_every_input_once_in_an_order_of_its_own():
    pool = _pool(10)
    _, learner = _learner(pool)
    assert learner.steps_per_epoch == 3
    seen = []
    learner._update = lambda images, *_: seen.extend(images.numpy()[:, 0, 0, 0]) or (0.0, 0.0)
    for step in range(6):
        learner.step(step, 0.0)
    assert sorted(seen[:10]) == sorted(seen[10:]) == sorted(pool.images[:, 0, 0] / np.float32(255))
    assert seen[:10] != seen[10:]


def test_pixels_that_do_not_count_change_nothing():
    counted = np.zeros((4, 16, 16), bool)
    counted[:, 4:12, 4:12] = True
    first = _pool(4, counted=counted)
    other = Pool(first.images, first.targets ^ ~counted, counted, 4, (), ())
    results = []
    for pool in (first, other):
        model, learner = _learner(pool, pool)
        results.append((learner.step(0, 0.0), learner.validate(), model.get_weights()))
    assert results[0][:2] == results[1][:2]
    assert all(np.array_equal(a, b) for a, b in zip(results[0][2], results[1][2], strict=True))


def test_a_batch_without_counted_pixels_is_no_trouble():
    model, learner = _learner(_pool(4, counted=np.zeros((4, 16, 16), bool)))
    before = model.get_weights()
    assert learner.step(0, 0.0)["loss"] == 0
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_dice_is_one_where_nothing_is_there_and_nothing_found():
    _, learner = _learner(_pool(4), _pool(2, foreground=0))
    learner._score = lambda *_: (1.0, 512, 0, 0, 0, 512)
    assert learner.validate() == {"loss": 1 / 512, "accuracy": 1.0, "dice": 1.0}


@pytest.mark.parametrize(
    ("keep", "kept"), [("loss", [False, True, False]), ("dice", [True, False, False]), ("last", [True, True, True])]
)
def test_what_is_better_is_an_option(keep, kept):
    _, learner = _learner(_pool(4), keep=keep)
    best = {"dice": 0.5, "loss": 0.3}
    sharper, surer = {"dice": 0.6, "loss": 0.9}, {"dice": 0.4, "loss": 0.2}
    assert [learner.better(values, best) for values in (sharper, surer, best)] == kept


def test_state_holds_model_and_optimiser_and_comes_back():
    _, learner = _learner(_pool(8))
    learner.step(0, 0.0)
    state = learner.state()
    expected = [learner.step(1, 0.0), learner.step(2, 0.0)]
    _, other = _learner(_pool(8))
    other.restore(state)
    assert [other.step(1, 0.0), other.step(2, 0.0)] == expected
    assert sum(name.startswith("optimiser/") for name in state) == 2 * len(learner.weights()) + 2
