"""What every data source must do."""

import itertools
import pickle

import numpy as np

from mitobench.samples import Sample, SampleRef
from mitobench.testing.case import Case, require

__all__ = ["CHECKS"]

_READ = 5


def _some(case: Case) -> list[SampleRef]:
    return list(itertools.islice(case.built.refs(), _READ))


def _require_equal(found: Sample, expected: Sample, why: str) -> None:
    for name in ("image", "labels", "ignore"):
        a, b = getattr(found, name), getattr(expected, name)
        same = a is b or (a is not None and b is not None and np.array_equal(a, b))
        require(same, f"{why}: {name} of sample {expected.id!r} differ.")
    for name in ("id", "group", "split", "pixel_size_nm", "partial", "semantic", "origin"):
        a, b = getattr(found, name), getattr(expected, name)
        require(a == b, f"{why}: {name} of sample {expected.id!r} is {a!r}, then {b!r}.")


def ids_are_unique(case: Case) -> None:
    """There is a sample, and no id twice."""
    ids = [ref.id for ref in case.built.refs()]
    require(ids, "there are no samples.")
    require(all(isinstance(name, str) and name for name in ids), "an id is empty or no text.")
    twice = sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []
    require(not twice, f"ids {twice[:3]} occur more than once.")


def refs_are_stable(case: Case) -> None:
    """``refs`` lists the same samples in the same order, from one call and from one build to the next."""
    first, second = list(case.built.refs()), list(case.built.refs())
    require(first == second, "refs() lists other samples when it is called again.")
    require(first == list(case.build().refs()), "refs() lists other samples when the source is opened again.")


def samples_match_their_refs(case: Case) -> None:
    """Each sample is the one that was listed, and reads the same again."""
    for ref in _some(case):
        sample = ref.load()
        require(isinstance(sample, Sample), f"{ref.id!r} was read as {type(sample).__name__}; expected a Sample.")
        _require_equal(ref.load(), sample, "read twice")


def refs_survive_pickling(case: Case) -> None:
    """A reference reads the same sample in another process."""
    for ref in _some(case):
        restored: SampleRef = pickle.loads(pickle.dumps(ref))
        _require_equal(restored.load(), ref.load(), "read from a pickled reference")


def fingerprint_is_stable(case: Case) -> None:
    """The fingerprint is a text that does not change from one opening to the next."""
    found, again = case.built.fingerprint, case.build().fingerprint
    require(isinstance(found, str) and found, f"fingerprint is {found!r}; expected a hash.")
    require(found == again, f"fingerprint is {found!r}, then {again!r}.")


def origins_are_known(case: Case) -> None:
    """Samples say which source image they come from, so that training-data overlap can be found."""
    unknown = [ref.id for ref in _some(case) if not ref.load().origin]
    require(not unknown, f"samples {unknown[:3]} have no origin; use mitobench.hashing.hash_array.")


CHECKS = (
    ids_are_unique,
    refs_are_stable,
    samples_match_their_refs,
    refs_survive_pickling,
    fingerprint_is_stable,
    origins_are_known,
)
