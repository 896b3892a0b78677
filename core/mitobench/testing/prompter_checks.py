"""What every prompter must do."""

import pickle
from dataclasses import fields
from typing import Any

import numpy as np

from mitobench.descriptors import PrompterDescriptor, PromptKind
from mitobench.errors import DataError
from mitobench.options import ComponentOptions
from mitobench.prompts import ALL_OBJECTS, NO_OBJECT, Prompts
from mitobench.samples import Sample
from mitobench.seeds import derive_rng
from mitobench.testing.case import Case, require
from mitobench.testing.encoding import encode
from mitobench.testing.toy import toy_sample, toy_samples
from mitobench.testing.unchanged import unchanged

__all__ = ["CHECKS"]

_TOLERANCE = 1e-3


def _oracle(case: Case) -> bool:
    return isinstance(case.descriptor, PrompterDescriptor) and case.descriptor.uses_reference


def _emits(case: Case) -> frozenset[PromptKind]:
    return case.descriptor.emits if isinstance(case.descriptor, PrompterDescriptor) else frozenset()


def _seen(case: Case, sample: Sample) -> Sample:
    return sample if _oracle(case) else sample.without_reference()


def _prompt(case: Case, sample: Sample, *, prompter: Any = None, seed: int = 0) -> Prompts:
    prompter = prompter if prompter is not None else case.built
    (encoding,) = encode(prompter, [sample.image])
    found = prompter.prompt(encoding, _seen(case, sample), derive_rng(seed, sample.id))
    require(isinstance(found, Prompts), f"prompt returned {type(found).__name__}; expected Prompts.")
    return found  # type: ignore[no-any-return]


def _require_equal(found: Prompts, expected: Prompts, why: str, *, tolerance: float = 0.0) -> None:
    for field in fields(Prompts):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        same = a is b or (
            a is not None and b is not None and a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance)
        )
        require(same, f"{why}: {field.name} differ.")


def prompts_are_valid(case: Case) -> None:
    """On images of every shape the prompts lie inside and are of the kinds that the descriptor says."""
    for sample in toy_samples():
        found = _prompt(case, sample)
        found.check_inside(sample.shape)
        declared = case.options.emits() or _emits(case)
        require(
            case.target is not None or found.kinds <= declared,
            f"{sample.id}: emitted {sorted(found.kinds)}; the descriptor says {sorted(declared)}.",
        )


def same_seed_same_prompts(case: Case) -> None:
    """Prompts depend on sample and generator alone, not on what was prompted before or on how often it was built."""
    samples = toy_samples()
    expected = [_prompt(case, sample) for sample in samples]
    again = case.build(seed=0)
    for sample, before in reversed(list(zip(samples, expected, strict=True))):
        _require_equal(_prompt(case, sample, prompter=again), before, f"{sample.id}: same seed, other prompts")


def global_random_state_is_left_alone(case: Case) -> None:
    """Numpy's global generator is neither read nor advanced."""
    sample = toy_sample("cells")
    saved = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(1)  # noqa: NPY002
        first = _prompt(case, sample)
        np.random.seed(2)  # noqa: NPY002
        before = pickle.dumps(np.random.get_state())  # noqa: NPY002
        second = _prompt(case, sample)
        after = pickle.dumps(np.random.get_state())  # noqa: NPY002
    finally:
        np.random.set_state(saved)  # noqa: NPY002
    _require_equal(second, first, "prompts change with numpy.random.seed")
    require(before == after, "prompting advances numpy's global generator; use the rng that is given.")


def sample_is_unchanged(case: Case) -> None:
    """Neither ``encode`` nor ``prompt`` writes to the sample."""
    for sample in toy_samples():
        with unchanged(sample):
            _prompt(case, sample)


def reference_is_used_as_declared(case: Case) -> None:
    """An oracle says that it needs a reference; any other prompter works without and does not invent targets."""
    sample = toy_sample("cells").without_reference()
    if not _oracle(case):
        require(_prompt(case, sample).targets is None, "targets are set, but uses_reference is False.")
        return
    try:
        _prompt(case, sample)
    except DataError:
        return
    raise AssertionError("uses_reference is True, but a sample without labels is no DataError.")


def oracle_targets_are_labels(case: Case) -> None:
    """Each prompt of an oracle names the object that it was made from."""
    if not _oracle(case):
        return
    for sample in toy_samples():
        found = _prompt(case, sample)
        require(found.targets is not None or not len(found), f"{sample.id}: no targets; oracles set them.")
        known = {ALL_OBJECTS, NO_OBJECT, *(np.unique(sample.labels).tolist() if sample.labels is not None else ())}
        unknown = set((found.targets if found.targets is not None else np.zeros(0)).tolist()) - known
        require(not unknown, f"{sample.id}: targets {sorted(unknown)} are no labels of the reference.")


def oracle_finds_what_is_there(case: Case) -> None:
    """No object gives no prompt; an object of one pixel gives one."""
    if not _oracle(case):
        return
    require(len(_prompt(case, toy_sample("empty"))) == 0, "an empty reference gives prompts.")
    require(len(_prompt(case, toy_sample("one pixel"))) == 1, "an object of one pixel does not give one prompt.")


def encode_takes_any_batch(case: Case) -> None:
    """One encoding per image, and images of different sizes in one batch give what they give one by one."""
    samples = toy_samples()
    prompter = case.built
    encodings = encode(prompter, [sample.image for sample in samples])
    for sample, encoding in zip(samples, encodings, strict=True):
        found = prompter.prompt(encoding, _seen(case, sample), derive_rng(0, sample.id))
        _require_equal(found, _prompt(case, sample), f"{sample.id}: batch and single differ", tolerance=_TOLERANCE)


def encoder_key_is_stable(case: Case) -> None:
    """``encoder_key`` is None or a text that does not change from one build to the next."""
    key, again = case.built.encoder_key, case.build(seed=7).encoder_key
    require(key is None or (isinstance(key, str) and key), f"encoder_key is {key!r}; expected None or a hash.")
    require(key == again, f"encoder_key is {key!r}, then {again!r}.")


def pickled_options_prompt_alike(case: Case) -> None:
    """A component built from pickled options, as in a worker process, gives the same prompts."""
    options: ComponentOptions = pickle.loads(pickle.dumps(case.options))
    sample = toy_sample("cells")
    other = case.build(options=options)
    _require_equal(_prompt(case, sample, prompter=other), _prompt(case, sample), "pickled options prompt otherwise")


CHECKS = (
    prompts_are_valid,
    same_seed_same_prompts,
    global_random_state_is_left_alone,
    sample_is_unchanged,
    reference_is_used_as_declared,
    oracle_targets_are_labels,
    oracle_finds_what_is_there,
    encode_takes_any_batch,
    encoder_key_is_stable,
    pickled_options_prompt_alike,
)
