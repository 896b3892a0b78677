"""Prompts that know nothing of the image: a grid of points, or none."""

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Encoding
from mitobench.options import NoOptions
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_prompts.options import GridOptions
from mitobench_prompts.unencoded import Unencoded

__all__ = ["GridPoints", "NoPrompts"]


class GridPoints(Unencoded):
    """``grid``: the centres of equal cells that cover the image, one prompt each, row by row."""

    def __init__(self, options: GridOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.options = options

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """``side`` x ``side`` prompts, or as many as fit at ``spacing`` px; each one point."""
        rows, cols = (self._axis(length) for length in sample.shape)
        points = np.stack(np.broadcast_arrays(cols[None, :], rows[:, None]), axis=-1).reshape(-1, 1, 2)
        return Prompts(points=points.astype(np.float32), point_labels=np.ones(points.shape[:2], np.int8))

    def _axis(self, length: int) -> NDArray[np.float64]:
        """Positions along one axis, in px from the centre of its first pixel."""
        if self.options.spacing is None:
            return (np.arange(self.options.side) + 0.5) * length / self.options.side - 0.5
        count = max(1, int(length // self.options.spacing))
        return np.asarray((length - 1) / 2 + (np.arange(count) - (count - 1) / 2) * self.options.spacing, np.float64)


class NoPrompts(Unencoded):
    """``none``: no prompts."""

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        super().__init__(options, context)

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """No prompts of any kind."""
        return Prompts()
