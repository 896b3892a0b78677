"""Low-rank changes of the queries and values of an image encoder's attention.

Source: Hu et al., LoRA, ICLR 2022. Written here because PEFT would bring transformers and accelerate, and because SAM
keeps queries, keys and values in one projection of which only two thirds are to change.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mitobench.errors import MissingError, UsageError

__all__ = ["add_low_rank", "low_rank_state", "merge_low_rank"]

_PREFIX = "lora."
_FACTORS = ("q_down", "q_up", "v_down", "v_up")


class _LowRank(nn.Module):
    """Adds up @ down, of rank r, to the query and value rows of a projection (3C, C); nothing at first."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        for name in ("q", "v"):
            down = nn.Parameter(torch.empty(rank, width))
            nn.init.kaiming_uniform_(down, a=5**0.5)
            self.register_parameter(f"{name}_down", down)
            self.register_parameter(f"{name}_up", nn.Parameter(torch.zeros(width, rank)))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + _change({name: getattr(self, name) for name in _FACTORS})


def _change(factors: Mapping[str, Tensor]) -> Tensor:
    """(3C, C) from the four factors."""
    q, v = factors["q_up"] @ factors["q_down"], factors["v_up"] @ factors["v_down"]
    return torch.cat([q, torch.zeros_like(q), v])


def _projections(encoder: nn.Module) -> dict[str, nn.Linear]:
    """The joint projections of queries, keys and values, (C) to (3C), by their place in the encoder."""
    found = {name: module for name, module in encoder.named_modules() if name.endswith("qkv")}
    return {n: m for n, m in found.items() if isinstance(m, nn.Linear) and m.out_features == 3 * m.in_features}


def add_low_rank(encoder: nn.Module, rank: int, seed: int) -> list[nn.Parameter]:
    """Give every attention of an encoder a trainable low-rank change; the encoder's own weights stay frozen.

    Returns:
        the new parameters.

    Raises:
        UsageError: an encoder without such attention (TinyViT stores it otherwise).
    """
    projections = {} if type(encoder).__name__ == "TinyViT" else _projections(encoder)
    if not projections:
        raise UsageError(
            f"train=lora: {type(encoder).__name__} has no joint query, key and value projection. Use train=decoder or train=all, or another model."
        )
    added: list[nn.Parameter] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for linear in projections.values():
            change = _LowRank(linear.in_features, rank)
            parametrize.register_parametrization(linear, "weight", change)
            added += change.parameters()
    return added


def low_rank_state(encoder: nn.Module) -> dict[str, Tensor]:
    """The factors under ``lora.<projection>.<factor>``."""
    state = {}
    for name, linear in _projections(encoder).items():
        change = linear.parametrizations["weight"][0]
        state |= {f"{_PREFIX}{name}.{factor}": getattr(change, factor) for factor in _FACTORS}
    return state


@torch.no_grad()
def merge_low_rank(encoder: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Add the changes of a checkpoint, named ``<projection>.<factor>``, to an encoder's weights.

    Raises:
        MissingError: the changes are of another architecture.
    """
    projections = _projections(encoder)
    wanted = {f"{name}.{factor}" for name in projections for factor in _FACTORS}
    if wanted != set(state):
        odd = sorted(wanted ^ set(state))[0]
        raise MissingError(f"{source}: low-rank changes of another architecture ({odd!r} is not in both).")
    for name, linear in projections.items():
        change = _change({factor: state[f"{name}.{factor}"].float() for factor in _FACTORS})
        if change.shape != linear.weight.shape:
            raise MissingError(
                f"{source}: the change of {name} is {tuple(change.shape)}, expected {tuple(linear.weight.shape)}."
            )
        linear.weight += change
