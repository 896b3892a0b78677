"""What a bootstrap draws: groups, or images where there is one group; once for all cells of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mitobench.seeds import derive_rng

__all__ = ["Resampling", "resample"]


@dataclass(frozen=True, eq=False)
class Resampling:
    """Bootstrap weights shared by all cells of a table.

    Attributes:
        groups: int64 (n,), the group of each image, 0..G-1.
        weights: float64 (B, G) where groups are resampled, else (B, n): how often each is drawn.
        clustered: groups were resampled.
    """

    groups: NDArray[np.int64]
    weights: NDArray[np.float64]
    clustered: bool

    @property
    def group_count(self) -> int:
        """G."""
        return int(self.groups.max(initial=-1)) + 1

    @property
    def units(self) -> int:
        """How many are resampled: G, or n."""
        return self.group_count if self.clustered else len(self.groups)

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The images by group (n,), and where each group begins among them (G,)."""
        order = np.argsort(self.groups, kind="stable")
        return order, np.searchsorted(self.groups[order], np.arange(self.group_count))

    def by_group(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums of float64 (n, k) over the images of each group: (G, k)."""
        order, starts = self._sorted
        return np.add.reduceat(values[order], starts, axis=0) if len(starts) else np.zeros((0, values.shape[1]))


def resample(groups: Sequence[str], resamples: int, *, seed: int = 0, data: str = "") -> Resampling:
    """Draw bootstrap weights.

    Args:
        groups: the group of each image.
        resamples: B.
        seed: of the draw.
        data: the key of the images' data source: what different data sources draw is independent.
    """
    names, codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    clustered = len(names) > 1
    units = len(names) if clustered else len(codes)
    rng = derive_rng(seed, "bootstrap", data, units)
    weights = rng.multinomial(units, np.full(units, 1 / units), size=resamples) if units else np.zeros((resamples, 0))
    return Resampling(codes.astype(np.int64), weights.astype(np.float64), clustered)
