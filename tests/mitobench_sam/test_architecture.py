"""Models that are built here have the names and shapes of the published files."""

import json

import pytest
import torch
from segment_anything import sam_model_registry

from mitobench.errors import MissingError
from mitobench_sam.architecture import ARCHITECTURES, Architecture, build_sam


def shapes(sam):
    return {key: tuple(value.shape) for key, value in sam.state_dict().items()}


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_state_dict_is_the_official_registrys(name):
    with torch.device("meta"):
        official = sam_model_registry[name]()
        ours = build_on_meta(ARCHITECTURES[name])
    assert shapes(ours) == shapes(official)
    assert ours.image_encoder.img_size == 1024
    windows = [block.window_size for block in ours.image_encoder.blocks]
    assert windows == [block.window_size for block in official.image_encoder.blocks]


def build_on_meta(architecture):
    """As ``build_sam`` does, without the memory of the weights."""
    from segment_anything.modeling import Sam

    from mitobench_sam import architecture as module

    return Sam(module._encoder(architecture), module._prompt_encoder(architecture), module._mask_decoder(architecture))


@pytest.mark.real_data
def test_the_state_dict_of_vit_t_is_mobile_sams(reference):
    listed = json.loads((reference / "state.json").read_text())
    assert len(listed) == 439
    assert shapes(build_sam(ARCHITECTURES["vit_t"])) == {key: tuple(shape) for key, shape in listed.items()}


def test_pixels_are_normalised_as_officially(tiny, official):
    sam = build_sam(tiny)
    torch.testing.assert_close(sam.pixel_mean, official.pixel_mean)
    torch.testing.assert_close(sam.pixel_std, official.pixel_std)


def test_building_draws_no_random_numbers(tiny):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    build_sam(tiny)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_is_ready_for_inference(tiny):
    sam = build_sam(tiny)
    assert not any(module.training for module in sam.modules())
    assert not any(parameter.requires_grad for parameter in sam.parameters())


def test_an_architecture_survives_a_card(tiny):
    assert Architecture.from_plain(json.loads(json.dumps(tiny.plain())), source="x") == tiny


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"depth": 0}, "depth is 0"),
        ({"depth": 10**9}, "depth is 1000000000"),
        ({"heads": "3"}, "heads is '3'"),
        ({"embed_dim": 50}, "multiples"),
        ({"image_size": 250}, "multiples"),
        ({"encoder": "swin"}, "'swin'"),
        ({"layers": 3}, "'layers'"),
    ],
    ids=str,
)
def test_a_card_with_an_impossible_architecture_is_refused_by_name(tiny, change, complaint):
    with pytest.raises(MissingError, match=complaint) as caught:
        Architecture.from_plain({**tiny.plain(), **change}, source="some.safetensors")
    assert "some.safetensors" in str(caught.value)
