"""What identifies a component's results, and what does not."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import Field

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.components import open_source, plan_component, plan_metrics, reference_spec
from mitobench.errors import DataError, MissingError, UsageError
from mitobench.options import ComponentOptions, InputPath, WeightsRef
from mitobench.specs import Spec, parse_spec


class FileOptions(ComponentOptions):
    """Options of the components that these tests make up."""

    table: InputPath | None = Field(None, description="a file that decides numbers")
    weights_file: InputPath | None = Field(None, description="a checkpoint")

    def weights(self):
        return (WeightsRef(path=self.weights_file),) if self.weights_file else ()


@pytest.fixture
def plan(bench, monkeypatch):
    """Plan ``toy-threshold`` as if its options were ``FileOptions``."""
    from mitobench.plugins import Component

    monkeypatch.setattr(Component, "options_model", lambda self: FileOptions)

    def plan(base: Path, **options):
        return plan_component("segmenter", Spec("toy-threshold", options), bench.plugins, bench.store, base=base)

    return plan


def card_file(path: Path, value: float, origins: tuple[str, ...] = ()) -> Path:
    write_checkpoint(path, {"w": np.full(2, value, np.float32)}, Card(component="toy", training_origins=origins))
    return path


def test_a_files_content_and_name_identify_and_its_place_does_not(plan, tmp_path):
    for folder, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(text)
    keys = {folder: plan(tmp_path / folder, table="t.csv").key for folder in "abc"}
    assert keys["a"] == keys["b"] != keys["c"]


def test_a_folders_files_identify_with_their_names(plan, tmp_path):
    for folder in "ab":
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / "x.csv").write_text("1")
    same = plan(tmp_path, table="a").key == plan(tmp_path, table="b").key
    (tmp_path / "b" / "in" / "x.csv").rename(tmp_path / "b" / "in" / "y.csv")
    assert same
    assert plan(tmp_path, table="a").key != plan(tmp_path, table="b").key


def test_a_file_that_is_gone_is_named(plan, tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv: cannot be read"):
        plan(tmp_path, table="nothing.csv")


def test_weights_identify_by_their_bytes_and_bring_what_they_were_trained_on(plan, tmp_path):
    card_file(tmp_path / "one.safetensors", 1.0, ("origin-a", "origin-b"))
    card_file(tmp_path / "copy.safetensors", 1.0, ("origin-a", "origin-b"))
    card_file(tmp_path / "two.safetensors", 2.0)
    one, copy, two = (plan(tmp_path, weights_file=f"{name}.safetensors") for name in ("one", "copy", "two"))
    assert one.key == copy.key != two.key
    assert one.trained_on == {"origin-a", "origin-b"}
    assert two.trained_on == set()
    assert (one.label, copy.label) == (
        "toy-threshold:weights_file=one.safetensors",
        "toy-threshold:weights_file=copy.safetensors",
    )


def test_absent_weights_are_missing_not_an_error(plan, tmp_path):
    found = plan(tmp_path, weights_file="nowhere.safetensors")
    assert "nowhere.safetensors" in found.missing
    assert found.weights == ()


def test_a_data_source_is_identified_by_its_fingerprint(bench, tmp_path):
    one, source = open_source(parse_spec("toy-discs:seed=1"), bench.plugins, base=tmp_path)
    two, _ = open_source(parse_spec("toy-discs:seed=2"), bench.plugins, base=tmp_path)
    assert one.identity["fingerprint"] == source.fingerprint
    assert one.key != two.key


def test_a_data_source_that_cannot_be_built_here_is_missing(bench, tmp_path, monkeypatch):
    from mitobench.plugins import Component

    monkeypatch.setattr(Component, "missing", lambda self: "needs a library")
    with pytest.raises(MissingError, match="needs a library"):
        open_source(parse_spec("toy-discs"), bench.plugins, base=tmp_path)


def test_default_metrics_are_those_that_say_so(bench, tmp_path):
    keys = [m.key for m in plan_metrics((), bench.plugins, None, base=tmp_path)]
    assert keys == ["instance@1", "prompted@1", "semantic@1"]


def test_a_foreign_metrics_key_names_its_distribution(bench, tmp_path):
    (metric,) = plan_metrics((parse_spec("toy-overlap"),), bench.plugins, None, base=tmp_path)
    assert metric.key == "mitobench-toy/toy-overlap@1"


def test_spelling_out_a_default_is_the_same_metric(bench, tmp_path):
    specs = (parse_spec("toy-overlap"), parse_spec("toy-overlap:margin=0"))
    assert len(plan_metrics(specs, bench.plugins, None, base=tmp_path)) == 1


@pytest.mark.parametrize("reference", ["mitobench/unet", "some-plugin/x"])
def test_a_reference_is_a_spec(reference):
    assert reference_spec(reference).reference == reference


def test_a_wrong_option_names_its_component(bench, tmp_path):
    with pytest.raises(UsageError, match="toy-threshold: unknown option"):
        plan_component("segmenter", parse_spec("toy-threshold:x=1"), bench.plugins, bench.store, base=tmp_path)
