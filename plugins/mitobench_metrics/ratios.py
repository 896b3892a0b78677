"""Division of sums of statistics, where nothing divided by nothing is undefined."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ratio"]


def ratio(numerator: ArrayLike, denominator: ArrayLike, *, empty: float = np.nan) -> NDArray[np.float64]:
    """Divide elementwise; where the denominator is zero the result is ``empty``.

    Args:
        numerator: any shape S.
        denominator: the same shape, >= 0.
        empty: the value of an undefined ratio.

    Returns:
        float64, shape S.

    >>> ratio([1.0, 0.0], [2.0, 0.0]).tolist()
    [0.5, nan]
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    result = np.full(np.broadcast_shapes(above.shape, below.shape), empty, np.float64)
    np.divide(above, below, out=result, where=below != 0)
    return result
