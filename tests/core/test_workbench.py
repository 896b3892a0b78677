"""The workbench builds once, encodes in batches, and never lets one image's failure become another's."""

import threading

import numpy as np
import pytest
from mitobench_toy_components import Flood

from mitobench.components import plan_component
from mitobench.errors import ContractError, DeviceMemoryError, MissingError
from mitobench.specs import parse_spec
from mitobench.workbench import Workbench, describe, timed


@pytest.fixture
def plan(bench, tmp_path):
    def plan(spec="toy-threshold"):
        return plan_component("segmenter", parse_spec(spec), bench.plugins, bench.store, base=tmp_path)

    return plan


@pytest.fixture
def workbench(bench):
    return Workbench(bench.plugins, "cpu", 0)


@pytest.fixture
def images():
    return [np.full((8, 8), value, np.uint8) for value in range(7)]


@pytest.fixture
def batches(monkeypatch):
    """The size of every encoder call."""
    sizes = []
    encode = Flood.encode

    def counting(self, images):
        sizes.append(len(images))
        return encode(self, images)

    monkeypatch.setattr(Flood, "encode", counting)
    return sizes


def test_it_says_what_it_is_doing(workbench, plan, images, monkeypatch):
    heard = []
    init, encode = Flood.__init__, Flood.encode
    monkeypatch.setattr(Flood, "__init__", lambda *given: [heard.append(workbench.doing), init(*given)][-1])
    monkeypatch.setattr(Flood, "encode", lambda *given: [heard.append(workbench.doing), encode(*given)][-1])
    workbench.encode(plan(), images, batch=6)
    assert heard == ["loading toy-threshold", "toy-threshold encodes 6 images", "toy-threshold encodes 1 image"]


def test_a_component_is_built_once_however_many_ask_at_once(workbench, plan, monkeypatch):
    built = []
    init = Flood.__init__

    def counting(self, options, context):
        built.append(context.device)
        init(self, options, context)

    monkeypatch.setattr(Flood, "__init__", counting)
    threads = [threading.Thread(target=workbench.component, args=(plan(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == ["cpu"]


def test_components_with_other_options_are_other_components(workbench, plan):
    assert workbench.component(plan()) is workbench.component(plan("toy-threshold:threshold=80"))
    assert workbench.component(plan()) is not workbench.component(plan("toy-threshold:threshold=81"))


def test_a_failure_to_build_is_raised_at_every_use(workbench, plan):
    for _ in range(2):
        with pytest.raises(MissingError, match="no-such-distribution"):
            workbench.component(plan("toy-absent"))


def test_images_are_encoded_in_batches_and_come_back_in_order(workbench, plan, images, batches):
    encoded = workbench.encode(plan("toy-threshold:threshold=3"), images, 3)
    assert batches == [3, 3, 1]
    assert [e.batch for e in encoded] == [3, 3, 3, 3, 3, 3, 1]
    assert [bool(e.value.any()) for e in encoded] == [False] * 4 + [True] * 3
    assert all(e.seconds > 0 and e.error is None for e in encoded)


def test_a_full_device_halves_the_batch_until_it_fits_and_stays_there(workbench, plan, images, batches):
    encoded = workbench.encode(plan("toy-threshold:memory=2"), images, 7)
    assert batches == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert [e.batch for e in encoded] == [1] * 7


def test_one_image_that_never_fits_fails_and_the_next_is_tried(workbench, plan, images, monkeypatch):
    def encode(self, images):
        if len(images) > 1 or images[0][0, 0] == 2:
            raise DeviceMemoryError("full")
        return [images[0]]

    monkeypatch.setattr(Flood, "encode", encode)
    encoded = workbench.encode(plan(), images, 4)
    assert [e.error is None for e in encoded] == [True, True, False, True, True, True, True]


@pytest.mark.parametrize("error", [ValueError("odd image"), SystemExit("leaving")])
def test_a_batch_that_fails_otherwise_fails_whole_and_the_others_go_on(workbench, plan, images, monkeypatch, error):
    def encode(self, images):
        if images[0][0, 0] == 0:
            raise error
        return list(images)

    monkeypatch.setattr(Flood, "encode", encode)
    encoded = workbench.encode(plan(), images, 4)
    assert [e.error for e in encoded] == [error] * 4 + [None] * 3


def test_too_few_encodings_are_a_contract_error(workbench, plan, images, monkeypatch):
    monkeypatch.setattr(Flood, "encode", lambda self, images: list(images)[:-1])
    encoded = workbench.encode(plan(), images[:3], 3)
    assert all(isinstance(e.error, ContractError) for e in encoded)
    assert "2 encodings for 3 images" in str(encoded[0].error)


def test_stopping_ends_between_batches(workbench, plan, images, batches):
    encoded = workbench.encode(plan(), images, 2, should_stop=lambda: len(batches) >= 2)
    assert len(encoded) == 4


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MissingError("no weights  at\n/x"), "no weights at /x"),
        (ValueError("odd"), "ValueError: odd"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
    ],
)
def test_an_error_is_one_line(error, text):
    assert describe(error) == text


def test_time_is_measured_around_the_call():
    result, seconds = timed(lambda: sum(range(1000)))
    assert result == 499_500
    assert 0 < seconds < 1
