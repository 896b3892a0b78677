"""The options of the published augmentation: what they are by default, where they go, and when they identify a checkpoint."""

from dataclasses import replace

import numpy as np
import pytest

from mitobench.checkpoints import Card, read_card, write_checkpoint
from mitobench.errors import UsageError
from mitobench.interfaces import BuildContext, TrainingRequest
from mitobench.options import parse_options
from mitobench.samples import Sample, SampleRef
from mitobench.training.augmentation import Augmentation, augment
from mitobench.training.broad_augmentation import vary
from mitobench_sam.architecture import Architecture, random_sam
from mitobench_sam.trainer import SamFineTuner
from mitobench_sam.trainer_options import PUBLISHED_AUGMENTATION, FineTuneOptions, ScratchOptions
from mitobench_sam.training_images import change_of

LABELS = np.zeros((40, 48), np.int32)
LABELS[8:20, 10:22] = 1
LABELS[24:36, 30:44] = 2
SAMPLE = Sample(
    id="a", image=np.random.default_rng(0).integers(0, 256, LABELS.shape, dtype=np.uint8), labels=LABELS, group="g"
)
OTHERS = {
    "rotation": 10,
    "flips": False,
    "shift": 3,
    "elastic_sigma": 4,
    "elastic_alpha": [5, 6],
    "contrast": 0.6,
    "brightness": 0.4,
    "poisson_noise": 1,
    "gaussian_noise": 0.2,
    "equalise": 1,
}


def options(**given):
    return parse_options(FineTuneOptions, {"augment": 1, **given}, owner="sam-ft")


def same(first, second):
    return np.array_equal(first.image, second.image) and np.array_equal(first.labels, second.labels)


def test_the_defaults_are_those_of_the_published_augmentation():
    published = Augmentation().model_dump()
    for option, name in PUBLISHED_AUGMENTATION.items():
        assert getattr(options(), option) == published[name], option
    assert set(PUBLISHED_AUGMENTATION.values()) == set(published) - {"photons"}
    for seed in range(5):
        made = change_of(options())(SAMPLE, np.random.default_rng(seed))
        assert same(made, augment(SAMPLE, Augmentation(), np.random.default_rng(seed)))


def test_these_are_all_the_options_there_are():
    assert set(OTHERS) == set(PUBLISHED_AUGMENTATION)


@pytest.mark.parametrize("name", OTHERS)
def test_each_option_reaches_the_copies(name):
    given = options(**{name: OTHERS[name]})
    how = Augmentation(**{PUBLISHED_AUGMENTATION[name]: OTHERS[name]})
    made = [change_of(given)(SAMPLE, np.random.default_rng(seed)) for seed in range(8)]
    expected = [augment(SAMPLE, how, np.random.default_rng(seed)) for seed in range(8)]
    unasked = [augment(SAMPLE, Augmentation(), np.random.default_rng(seed)) for seed in range(8)]
    assert all(same(*pair) for pair in zip(made, expected, strict=True))
    assert not all(same(*pair) for pair in zip(made, unasked, strict=True))


@pytest.mark.parametrize("name", OTHERS)
def test_the_broad_augmentation_takes_none_of_them(name):
    for model, given in ((FineTuneOptions, {"augmentation": "broad"}), (ScratchOptions, {})):
        with pytest.raises(UsageError, match=f"{name}: of augmentation=published, but augmentation is broad"):
            parse_options(model, {**given, name: OTHERS[name]}, owner="sam")
    given = parse_options(ScratchOptions, {"augmentation": "published", name: OTHERS[name]}, owner="sam")
    assert given.identity()[name] == OTHERS[name]


def test_the_kind_decides_which_augmentation_makes_the_copies():
    made = change_of(options(augmentation="broad"))(SAMPLE, np.random.default_rng(3))
    assert same(made, vary(SAMPLE, np.random.default_rng(3)))
    assert change_of(ScratchOptions()) is vary


@pytest.mark.parametrize("name", OTHERS)
def test_without_copies_there_is_nothing_for_them_to_change(name):
    for model, given in ((FineTuneOptions, {}), (ScratchOptions, {"augmentation": "published", "augment": 0})):
        with pytest.raises(UsageError, match=f"{name} would change nothing here; it needs augment of 1 or more"):
            parse_options(model, {**given, name: OTHERS[name]}, owner="sam")


@pytest.mark.parametrize("value", [[35, 25], [-1, 5], [0, float("inf")], 30, [1, 2, 3]])
def test_alpha_is_a_range(value):
    with pytest.raises(UsageError, match="elastic_alpha"):
        options(elastic_alpha=value)


def test_they_identify_a_checkpoint_where_such_copies_are_made_and_only_there():
    assert options().identity().items() >= {"elastic_sigma": 10.0, "elastic_alpha": [25.0, 35.0], "flips": True}.items()
    assert options().identity() != options(rotation=10).identity()
    for without in (options(augment=0), options(augmentation="broad"), ScratchOptions()):
        assert not set(PUBLISHED_AUGMENTATION) & set(without.identity())


class Listed:
    """One image to learn from and one to judge by."""

    fingerprint = "listed"

    def refs(self):
        return iter([SampleRef(id=i, group="g", read=lambda i=i: replace(SAMPLE, id=i)) for i in "ab"])


def test_a_training_makes_its_copies_so_and_its_card_says_how(tmp_path):
    sizes = {"embed_dim": 32, "depth": 2, "heads": 2, "image_size": 64, "prompt_dim": 32, "decoder_mlp": 32}
    small = Architecture(encoder="pyramid", global_blocks=(1,), window=1, **sizes)
    base = tmp_path / "base.safetensors"
    tensors = {key: value.numpy() for key, value in random_sam(small, 0).state_dict().items()}
    write_checkpoint(base, tensors, Card(component="sam", architecture=small.plain()))

    def losses(name, **given):
        found = []
        made = FineTuneOptions(base=base, augment=50, epochs=3, lr=1e-3, **given)
        SamFineTuner(made, BuildContext(weights={"base": base})).train(
            TrainingRequest(
                training=Listed(),
                validation=None,
                out=tmp_path / name,
                report=lambda event: found.append(event.values["loss"]) if "loss" in event.values else None,
            )
        )
        return found

    assert losses("a.safetensors") != losses("b.safetensors", elastic_alpha=(5, 6), rotation=0)
    recorded = read_card(tmp_path / "b.safetensors").trainer["options"]
    assert (recorded["elastic_sigma"], recorded["elastic_alpha"], recorded["rotation"]) == (10, [5, 6], 0)
