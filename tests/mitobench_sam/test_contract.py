"""The contract kit's checks of both segmenters, on the two-block SAM."""

import pytest

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.hashing import sha256_file
from mitobench.testing import checks
from mitobench_sam.options import FineTunedSamOptions, SamOptions


@pytest.fixture(scope="module")
def decoder(official, tmp_path_factory):
    """Write a decoder for a base."""

    def write(base):
        parts = {k: v.numpy() for k, v in official.state_dict().items() if k.startswith("mask_decoder.")}
        path = tmp_path_factory.mktemp("decoder") / "decoder.safetensors"
        write_checkpoint(path, parts, Card(component="sam-ft", base_sha256=sha256_file(base)))
        return path

    return write


@pytest.fixture(scope="module")
def kit(tiny_path, tiny_1024_path, decoder):
    """The checks of both segmenters by name."""
    whole = SamOptions(checkpoint=tiny_path)
    tuned = FineTunedSamOptions(base=tiny_path, checkpoint=decoder(tiny_path))
    first, second = ({"base": base, "decoder": decoder(base)} for base in (tiny_path, tiny_1024_path))
    given = {
        "sam": {"options": whole, "weights": {"weights": tiny_path}, "other_weights": {"weights": tiny_1024_path}},
        "sam-ft": {"options": tuned, "weights": first, "other_weights": second},
    }
    return {
        name: {str(check).removeprefix(f"{name}-"): check for check in checks(segmenter=name, **arguments)}
        for name, arguments in given.items()
    }


NAMES = [str(check).removeprefix("sam-") for check in checks(segmenter="sam")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("segmenter", ["sam", "sam-ft"])
def test_contract(kit, segmenter, name):
    kit[segmenter][name]()


def test_no_check_is_left_out(kit):
    assert set(kit["sam"]) == set(kit["sam-ft"]) == set(NAMES)
