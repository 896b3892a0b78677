"""Low-rank changes of an encoder: nothing at first, queries and values only, and the same once merged."""

import copy

import pytest
import torch

from mitobench.errors import MissingError, UsageError
from mitobench_sam.architecture import Architecture, build_sam, random_sam
from mitobench_sam.lora import add_low_rank, low_rank_state, merge_low_rank

VIT = Architecture(embed_dim=32, depth=2, heads=2, global_blocks=(1,), window=2, image_size=64, prompt_dim=32)
PYRAMID = Architecture(
    encoder="pyramid", embed_dim=32, depth=2, heads=2, global_blocks=(1,), window=1, image_size=64, prompt_dim=32
)


@pytest.fixture(params=[VIT, PYRAMID], ids=["vit", "pyramid"])
def encoder(request):
    return random_sam(request.param, 0).image_encoder.eval().requires_grad_(requires_grad=False)


PIXELS = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def trained(encoder):
    """A copy with low-rank changes that have moved."""
    changed = copy.deepcopy(encoder)
    for parameter in add_low_rank(changed, 2, seed=1):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    return changed


def test_it_changes_nothing_at_first(encoder):
    before = encoder(PIXELS)
    add_low_rank(encoder, 4, seed=0)
    torch.testing.assert_close(encoder(PIXELS), before)


def test_only_the_factors_are_trained_and_all_of_them_get_a_gradient(encoder):
    changed = trained(encoder)
    changed(PIXELS).square().mean().backward()
    names = {name for name, p in changed.named_parameters() if p.requires_grad}
    assert names
    assert all("parametrizations" in name and name.endswith(("_up", "_down")) for name in names)
    assert all(p.grad.abs().sum() > 0 for p in changed.parameters() if p.requires_grad)


def test_the_state_merged_into_the_base_gives_the_same_embedding(encoder):
    changed = trained(encoder)
    state = {key.removeprefix("lora."): value.detach() for key, value in low_rank_state(changed).items()}
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    merge_low_rank(encoder, state, source="test")
    torch.testing.assert_close(encoder(PIXELS), changed(PIXELS), rtol=1e-5, atol=1e-5)
    moved = [key for key, value in encoder.state_dict().items() if not torch.equal(value, before[key])]
    assert moved
    assert all(key.endswith("qkv.weight") for key in moved)
    width = encoder.state_dict()[moved[0]].shape[1]
    keys = slice(width, 2 * width)
    assert torch.equal(encoder.state_dict()[moved[0]][keys], before[moved[0]][keys])


def test_the_rank_bounds_the_change(encoder):
    changed = trained(encoder)
    name = next(n for n, _ in changed.named_modules() if n.endswith("qkv"))
    module, plain = changed.get_submodule(name), encoder.get_submodule(name)
    width = plain.weight.shape[1]
    assert torch.linalg.matrix_rank((module.weight - plain.weight)[:width], rtol=1e-4) == 2


def test_changes_of_another_architecture_are_refused(encoder):
    state = {key.removeprefix("lora."): value.detach() for key, value in low_rank_state(trained(encoder)).items()}
    missing = dict(list(state.items())[1:])
    with pytest.raises(MissingError, match="another architecture"):
        merge_low_rank(encoder, missing, source="test")
    wider = {key: torch.zeros(value.shape[0] * 2, value.shape[1] * 2) for key, value in state.items()}
    with pytest.raises(MissingError, match="expected"):
        merge_low_rank(encoder, wider, source="test")


def test_an_encoder_without_joint_projections_is_refused_with_advice():
    with pytest.raises(UsageError, match="train=decoder"):
        add_low_rank(build_sam(Architecture(encoder="tiny_vit", image_size=64)).image_encoder, 4, seed=0)
