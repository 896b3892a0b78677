"""The history of a training: what was measured in every epoch, small enough to travel in a checkpoint's card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["History"]


@dataclass(eq=False)
class History:
    """Gathers the values of steps and validations, one row per validation.

    The attributes are plain data, which a resumable training stores and gives back.

    Attributes:
        epochs: one row per validation: ``epoch`` (1, 2, ...), the mean of each value over the steps since the validation
            before, and each validated value under ``validation_<name>``.
        sums: by name, the sum of a value over the steps since the last validation, and how many they are.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)

    def step(self, values: Mapping[str, float]) -> None:
        """Take in what one step measured."""
        for name, value in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = [total + float(value), count + 1]

    def validated(self, epoch: int, values: Mapping[str, float]) -> None:
        """Close an epoch with what its validation measured."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        checked = {f"validation_{name}": float(value) for name, value in values.items()}
        self.epochs.append({"epoch": float(epoch), **means, **checked})
        self.sums = {}

    def curves(self) -> dict[str, Sequence[float | None]]:
        """Each value as a curve of one point per validation, to five digits; None where it was not measured.

        >>> history = History()
        >>> history.step({"loss": 1.0})
        >>> history.step({"loss": 0.5})
        >>> history.validated(1, {"dice": 2 / 3})
        >>> history.curves()
        {'epoch': [1.0], 'loss': [0.75], 'validation_dice': [0.66667]}
        """
        names = dict.fromkeys(name for row in self.epochs for name in row)
        return {name: [_short(row.get(name)) for row in self.epochs] for name in names}

    def state(self) -> dict[str, Any]:
        """The plain data that ``History(**state)`` goes on from."""
        return {
            "epochs": [dict(row) for row in self.epochs],
            "sums": {name: list(value) for name, value in self.sums.items()},
        }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
