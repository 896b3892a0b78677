"""Borders of masks and the exact distances between them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["SurfaceDistances", "border", "surface_distances"]

_SLACK = 1 + 1e-9
"""Distances that equal the tolerance in exact arithmetic count as within it, whatever the last bit says."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """How far each border pixel of one mask lies from the nearest border pixel of the other.

    Attributes:
        forward: float64 (B1,), from the first mask's border; all infinite where the second has none.
        backward: float64 (B2,), from the second mask's border.

    >>> distances = SurfaceDistances(np.array([0.0, 1.0]), np.array([0.0, 3.0]))
    >>> distances.within(2), distances.size, distances.hausdorff95()
    (3, 4, 2.8499999999999996)
    """

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Border pixels of both masks."""
        return int(self.forward.size + self.backward.size)

    def within(self, tolerance: float) -> int:
        """Border pixels of both masks no farther than the tolerance (in the distances' unit) from the other border.

        The normalised surface Dice is ``within(tau) / size``.

        Source: Nikolov et al., J Med Internet Res 23, 2021; border pixels counted as in MONAI ``compute_surface_dice``.
        """
        limit = tolerance * _SLACK
        return int(np.count_nonzero(self.forward <= limit) + np.count_nonzero(self.backward <= limit))

    def hausdorff95(self) -> float:
        """The larger of the two directed 95th percentiles (linear interpolation), in the distances' unit.

        Returns:
            the HD95; NaN where a mask is empty.

        Source: Huttenlocher et al., IEEE TPAMI 15, 1993 (partial distances); MONAI ``compute_hausdorff_distance``.
        """
        if self.forward.size == 0 or self.backward.size == 0:
            return float("nan")
        return float(max(np.percentile(self.forward, 95), np.percentile(self.backward, 95)))


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask that have a 4-neighbour outside it; beyond the frame is outside.

    Equal to ``mask ^ scipy.ndimage.binary_erosion(mask)``.

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W).

    >>> border(np.ones((3, 3), bool)).astype(int).tolist()
    [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    inside = np.zeros_like(mask)
    if min(mask.shape) > 2:
        core = inside[1:-1, 1:-1]
        np.logical_and(mask[:-2, 1:-1], mask[2:, 1:-1], out=core)
        core &= mask[1:-1, :-2]
        core &= mask[1:-1, 2:]
    return np.asarray(mask & ~inside)


def surface_distances(
    first: NDArray[np.bool_], second: NDArray[np.bool_], spacing: tuple[float, float] = (1.0, 1.0)
) -> SurfaceDistances:
    """Exact Euclidean distances between the borders of two masks, by KD-trees on their border pixels.

    Args:
        first, second: bool (H, W), of the same shape. A crop that holds both masks whole gives the same result as the frame.
        spacing: (y, x) size of a pixel in the unit wanted.

    Raises:
        ValueError: the shapes differ.

    >>> dot, other = np.zeros((2, 5, 5), bool)
    >>> dot[0, 0] = other[4, 3] = True
    >>> surface_distances(dot, other).forward.tolist()
    [5.0]
    """
    if first.shape != second.shape:
        raise ValueError(f"masks have shapes {first.shape} and {second.shape}; expected the same frame.")
    rows, columns = np.flatnonzero((first | second).any(axis=1)), np.flatnonzero((first | second).any(axis=0))
    if rows.size == 0:
        return SurfaceDistances(np.zeros(0), np.zeros(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    borders = border(first[box]), border(second[box])
    points = [np.multiply(np.argwhere(edge), spacing, dtype=np.float64) for edge in borders]
    apart = [~borders[1][borders[0]], ~borders[0][borders[1]]]
    return SurfaceDistances(
        _nearest(points[0], points[1], apart[0]),
        _nearest(points[1], points[0], apart[1]),
    )


def _nearest(points: NDArray[np.float64], others: NDArray[np.float64], apart: NDArray[np.bool_]) -> NDArray[np.float64]:
    distances = np.zeros(len(points), np.float64)
    if len(others) == 0:
        distances[:] = np.inf
    elif apart.any():
        tree = KDTree(others, leafsize=32, compact_nodes=False, balanced_tree=False)
        distances[apart] = tree.query(points[apart])[0]
    return distances
