"""What every descriptor and its options must do."""

import functools
import importlib.util
import pickle
import subprocess
import sys

from packaging.requirements import Requirement

from mitobench.descriptors import PrompterDescriptor
from mitobench.errors import UsageError
from mitobench.hashing import hash_data
from mitobench.options import ComponentOptions, parse_options
from mitobench.testing.case import Case, require

__all__ = ["CHECKS"]

_HEAVY = ("torch", "tensorflow", "keras", "monai", "ultralytics", "segment_anything")
_SUMMARY = 120


def target_resolves(case: Case) -> None:
    """The target can be found; where nothing that it needs is missing it imports, and is callable."""
    module = case.descriptor.target.partition(":")[0]
    require(importlib.util.find_spec(module), f"target {case.descriptor.target!r}: there is no module {module!r}.")
    if not case.component.missing():
        require(callable(case.component.target()), f"target {case.descriptor.target!r} is not callable.")


def options_are_a_model(case: Case) -> None:
    """The options are a ComponentOptions model whose every field is described."""
    model = case.component.options_model()
    require(
        isinstance(model, type) and issubclass(model, ComponentOptions),
        f"{case.descriptor.options} is {model!r}; expected a subclass of ComponentOptions.",
    )
    silent = [name for name, field in model.model_fields.items() if not field.description]
    require(not silent, f"options {', '.join(silent)} have no description; `mitobench info` shows it.")


def options_import_nothing_heavy(case: Case) -> None:
    """Planning imports the options, so importing them must not import a deep-learning library."""
    module = case.descriptor.options.partition(":")[0]
    heavy = _imported_with(module)
    require(not heavy, f"importing {module} imports {heavy}; move the options out.")


@functools.cache
def _imported_with(module: str) -> str:
    """Which heavy libraries an import of one module brings, found in a fresh interpreter."""
    code = f"import sys, {module}; print(*[name for name in {_HEAVY!r} if name in sys.modules])"
    done = subprocess.run(  # noqa: S603  (our own interpreter and our own code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    require(done.returncode == 0, f"{module} cannot be imported by itself: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def options_refuse_unknown_names(case: Case) -> None:
    """An option that does not exist is an error."""
    model = case.component.options_model()
    try:
        parse_options(model, {"no_such_option": 1}, owner=case.descriptor.name)
    except UsageError:
        return
    raise AssertionError(f"{case.descriptor.options} takes the unknown option no_such_option.")


def options_survive_pickling(case: Case) -> None:
    """Options go to worker processes by pickle and into identities as plain data."""
    restored = pickle.loads(pickle.dumps(case.options))
    require(restored == case.options, f"options {case.options} come back from pickle as {restored}.")
    require(
        hash_data(restored.identity()) == hash_data(case.options.identity()),
        "the identity of options changes when they are pickled.",
    )


def requirements_parse(case: Case) -> None:
    """``requires`` are PEP 508 requirements."""
    for text in case.descriptor.requires:
        Requirement(text)


def summary_is_one_line(case: Case) -> None:
    """The summary is one line that fits a table."""
    summary = case.descriptor.summary
    require(
        summary and summary.strip() == summary and summary.isprintable() and len(summary) <= _SUMMARY,
        f"summary {summary!r}; expected one line of at most {_SUMMARY} characters.",
    )
    require(case.descriptor.version >= 1, f"version is {case.descriptor.version}; expected 1 or more.")
    require(case.descriptor.licence, "no licence; expected an SPDX identifier.")


def weights_are_identified(case: Case) -> None:
    """Each weights file has a SHA-256, one origin, a size, a licence."""
    for file in case.descriptor.weights:
        require(
            len(file.sha256) == 64 and not set(file.sha256) - set("0123456789abcdef"),
            f"weights {file.name!r}: sha256 is {file.sha256!r}; expected 64 lower-case hexadecimal digits.",
        )
        require(bool(file.url) != bool(file.bundled), f"weights {file.name!r}: expected either url or bundled.")
        require(file.size > 0 and file.licence, f"weights {file.name!r}: expected a size and a licence.")


def emits_is_consistent(case: Case) -> None:
    """What the options say a prompter emits is part of what its descriptor says."""
    emitted = case.options.emits()
    if isinstance(case.descriptor, PrompterDescriptor) and emitted is not None:
        require(
            emitted <= case.descriptor.emits,
            f"options emit {sorted(emitted)} but the descriptor only {sorted(case.descriptor.emits)}.",
        )


CHECKS = (
    target_resolves,
    options_are_a_model,
    options_import_nothing_heavy,
    options_refuse_unknown_names,
    options_survive_pickling,
    requirements_parse,
    summary_is_one_line,
    weights_are_identified,
    emits_is_consistent,
)
