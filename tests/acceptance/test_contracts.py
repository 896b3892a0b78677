"""Every installed component keeps the contract, as far as it can be built here without a download."""

import pytest

from mitobench.errors import UsageError
from mitobench.options import NoOptions
from mitobench.plugins import Plugins
from mitobench.testing import checks, descriptor_checks

PLUGINS = Plugins.discover()
SPECS = {
    ("data", "synthetic"): ["synthetic:n=3,size=[48, 64]", "synthetic:kind=nuclei,n=2,size=64"],
    ("prompter", "grid"): ["grid:side=3"],
    ("segmenter", "sam"): ["sam:model=tiny"],
}


def installed():
    """(kind, spec) of every component that ships with mitobench."""
    for kind in ("data", "prompter", "segmenter", "metric", "trainer", "reporter"):
        for component in PLUGINS.components(kind):
            if component.plugin.distribution == "mitobench":
                name = component.descriptor.name
                yield from ((kind, spec) for spec in SPECS.get((kind, name), [name]))


def checks_that_apply(kind, spec):
    """All checks, or those of the descriptor alone where the options need a file that only its own tests make."""
    try:
        return checks(**{kind: spec}, plugins=PLUGINS)
    except UsageError:
        described = checks(**{kind: spec}, plugins=PLUGINS, options=NoOptions())
        return [check for check in described if check.function in descriptor_checks.CHECKS]


def parameters():
    return [
        pytest.param(check, id=f"{kind}-{check}")
        for kind, spec in installed()
        for check in checks_that_apply(kind, spec)
    ]


@pytest.mark.parametrize("check", parameters())
def test_contract(check):
    needs_building = check.function not in descriptor_checks.CHECKS
    if needs_building and (reason := check.case.unavailable()):
        pytest.skip(reason)
    check()
