"""Both components keep the contract that every component keeps."""

import pytest

from mitobench.plugins import Plugins
from mitobench.testing import checks
from mitobench_unet.options import ROLE, PrompterOptions, SegmenterOptions
from mitobench_unet.prompter import UnetPrompter
from mitobench_unet.segmenter import UnetSegmenter


def contract(kind, target, options, learned, other):
    (descriptor,) = (c.descriptor for c in Plugins.discover().components(kind) if c.descriptor.name == "unet")
    return checks(
        options=options,
        descriptor=descriptor,
        weights={ROLE: learned},
        other_weights={ROLE: other},
        **{kind: target},
    )


def test_the_segmenter_keeps_its_contract(learned, trained) -> None:
    for check in contract("segmenter", UnetSegmenter, SegmenterOptions(checkpoint=learned), learned, trained):
        check()


@pytest.mark.parametrize("emit", ["point", "box", "mask"])
def test_the_prompter_keeps_its_contract(learned, trained, emit) -> None:
    for check in contract("prompter", UnetPrompter, PrompterOptions(checkpoint=learned, emit=emit), learned, trained):
        check()


def test_the_trainers_descriptor_keeps_its_contract() -> None:
    for check in checks(trainer="unet"):
        check()
