"""The plugin lists its metrics without importing anything heavy, and what it lists can be built."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import mitobench_metrics
from mitobench.errors import UsageError
from mitobench.interfaces import BuildContext, Metric
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench_metrics.options import BoundaryOptions, InstanceOptions, PromptedOptions

NAMES = ["boundary", "instance", "prompted", "semantic"]
MODULES = [module.name for module in pkgutil.iter_modules(mitobench_metrics.__path__)]


@pytest.fixture(scope="module")
def components() -> dict:
    return {c.descriptor.name: c for c in Plugins.discover().components("metric")}


def test_the_four_metrics_are_found_and_boundary_runs_only_on_request(components):
    ours = {name: components[name].descriptor for name in NAMES}
    assert [name for name, descriptor in ours.items() if descriptor.default] == ["instance", "prompted", "semantic"]
    assert all(d.summary and d.citation and d.version >= 1 for d in ours.values())


def test_listing_imports_no_numpy_and_no_pydantic():
    code = (
        "import sys, mitobench_metrics; mitobench_metrics.mitobench_metrics();"
        "print(sorted({'numpy', 'numba', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_building_imports_neither_torch_nor_monai_nor_numba():
    code = (
        "import sys, mitobench_metrics.instance, mitobench_metrics.boundary, mitobench_metrics.prompted, mitobench_metrics.semantic;"
        "print(sorted({'torch', 'monai', 'numba', 'skimage'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_can_be_built_from_its_descriptor(components, name):
    component = components[name]
    options = parse_options(component.options_model(), {}, owner=name)
    metric = component.target()(options, BuildContext())
    assert isinstance(metric, Metric)
    assert any(score.headline for score in metric.reported)


def test_no_two_metrics_report_a_score_of_the_same_name(components):
    names = []
    for name in NAMES:
        component = components[name]
        values = {"boundary": True} if name == "prompted" else {}
        options = parse_options(component.options_model(), values, owner=name)
        names += [score.name for score in component.target()(options, BuildContext()).reported]
    assert len(names) == len(set(names))
    assert "AP" not in names


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_the_docstrings_run(module):
    outcome = doctest.testmod(importlib.import_module(f"mitobench_metrics.{module}"))
    assert outcome.failed == 0
    assert outcome.attempted > 0


def test_an_unknown_convention_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"convention.*'exact', 'stardist', 'cellpose' or 'microsam'"):
        parse_options(InstanceOptions, {"convention": "coco"}, owner="instance")


@pytest.mark.parametrize("model", [BoundaryOptions, PromptedOptions])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_a_tolerance_that_is_negative_or_not_finite_is_refused(model, value):
    with pytest.raises(UsageError, match="tolerance_px"):
        parse_options(model, {"tolerance_px": value}, owner="boundary")


def test_a_tolerance_in_two_units_is_refused():
    with pytest.raises(UsageError, match="give tolerance_px or tolerance_nm, not both"):
        parse_options(BoundaryOptions, {"tolerance_px": 2, "tolerance_nm": 10}, owner="boundary")


@pytest.mark.parametrize(
    ("values", "column"),
    [({}, "NSD@2px"), ({"tolerance_px": 1.5}, "NSD@1.5px"), ({"tolerance_nm": 10}, "NSD@10nm")],
)
def test_the_column_names_the_tolerance_and_its_unit(values, column):
    assert parse_options(BoundaryOptions, values, owner="boundary").column == column
