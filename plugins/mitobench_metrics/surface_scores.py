"""NSD and HD95 of pairs of masks as additive statistics, in the units that a sample allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.interfaces import Score
from mitobench.samples import Sample
from mitobench_metrics.options import ToleranceOptions
from mitobench_metrics.ratios import ratio
from mitobench_metrics.surfaces import surface_distances

__all__ = ["SurfaceScale", "SurfaceSums", "surface_reported", "surface_values"]


@dataclass(frozen=True, kw_only=True)
class SurfaceScale:
    """The units in which one sample's borders are measured.

    Attributes:
        tolerance: tau, in its unit.
        tolerance_spacing: (y, x) pixel size in the unit of tau.
        distance_spacing: (y, x) pixel size in the unit of HD95.
        unit: of HD95: ``"nm"`` where the pixel size is known, else ``"px"``.
    """

    tolerance: float
    tolerance_spacing: tuple[float, float]
    distance_spacing: tuple[float, float]
    unit: str

    @classmethod
    def of(cls, sample: Sample, options: ToleranceOptions) -> "SurfaceScale":
        """The scale of one sample.

        Args:
            sample: with or without a pixel size.
            options: tau and its unit.

        Raises:
            DataError: tau is in nanometres and the sample does not say how large its pixels are.

        >>> sample = Sample(id="a", image=np.zeros((1, 1), np.uint8), pixel_size_nm=(5.0, 5.0))
        >>> scale = SurfaceScale.of(sample, ToleranceOptions())
        >>> scale.tolerance_spacing, scale.distance_spacing, scale.unit
        ((1.0, 1.0), (5.0, 5.0), 'nm')
        """
        size = sample.pixel_size_nm
        if options.unit == "nm" and size is None:
            raise DataError(
                f"sample {sample.id!r} states no pixel size, but the tolerance is {options.tolerance} nm. "
                "Give the data source its pixel size, or the metric a tolerance_px."
            )
        pixels = (1.0, 1.0)
        return cls(
            tolerance=options.tolerance,
            tolerance_spacing=size if options.unit == "nm" and size is not None else pixels,
            distance_spacing=size or pixels,
            unit="px" if size is None else "nm",
        )

    def measure(self, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
        """Compare the borders of two masks.

        Args:
            first, second: bool (H, W), crops of one window that holds both masks whole.

        Returns:
            border pixels within tau, border pixels, and HD95 (NaN where a mask is empty).

        >>> scale = SurfaceScale(tolerance=1, tolerance_spacing=(1.0, 1.0), distance_spacing=(5.0, 5.0), unit="nm")
        >>> scale.measure(np.array([[True, False, False]]), np.array([[False, False, True]]))
        (0, 2, 10.0)
        """
        distances = surface_distances(first, second, self.distance_spacing)
        ratios = [d / t for d, t in zip(self.distance_spacing, self.tolerance_spacing, strict=True)]
        if ratios[0] == ratios[1]:
            within = distances.within(self.tolerance * ratios[0])
        else:
            within = surface_distances(first, second, self.tolerance_spacing).within(self.tolerance)
        return within, distances.size, distances.hausdorff95()


class SurfaceSums:
    """Statistics of some pairs of masks of one image that add up.

    >>> sums = SurfaceSums("px")
    >>> sums.add(3, 4, 1.5)
    >>> sums.add(0, 6, float("nan"))
    >>> sums.statistics("object ")["object one_empty"]
    1.0
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._within = self._size = self._pairs = self._one_empty = 0
        self._nsd = 0.0
        self._distances: list[float] = []

    def add(self, within: int, size: int, hausdorff95: float) -> None:
        """Count one pair; two empty masks (``size`` 0) count nowhere, one empty one as NSD 0 and in ``one_empty``.

        Args:
            within, size, hausdorff95: as :meth:`SurfaceScale.measure` returns them.
        """
        if size == 0:
            return
        self._within, self._size, self._pairs = self._within + within, self._size + size, self._pairs + 1
        self._nsd += within / size
        if math.isnan(hausdorff95):
            self._one_empty += 1
        else:
            self._distances.append(hausdorff95)

    def statistics(self, prefix: str = "") -> dict[str, float]:
        """Border pixels within tau and in all, pairs, sum of their NSD, one-empty pairs, sums and counts of HD95 by unit.

        Args:
            prefix: put before every name.
        """
        counts: dict[str, Any] = {
            "within": self._within,
            "border": self._size,
            "pairs": self._pairs,
            "nsd_sum": self._nsd,
            "one_empty": self._one_empty,
        }
        for unit in ("nm", "px"):
            own = self._distances if unit == self._unit else []
            counts |= {f"hd95_{unit}_sum": math.fsum(own), f"hd95_{unit}_count": len(own)}
        return {prefix + name: float(value) for name, value in counts.items()}


def surface_reported(options: ToleranceOptions, of: str = "", *, headline: bool = False) -> Sequence[Score]:
    """The scores that :func:`surface_values` gives.

    Args:
        options: tau and its unit.
        of: what the masks are, in the names: ``"objects"``, ``"prompt"`` or "" for the foreground.
        headline: whether NSD is one.

    >>> [score.name for score in surface_reported(ToleranceOptions(), "objects")]
    ['NSD@2px (objects)', 'HD95 (objects, nm)', 'HD95 (objects, px)', 'one empty (objects)']
    """
    one = f" ({of})" if of else ""
    inside = f"{of}, " if of else ""
    return [
        Score(name=f"{options.column}{one}", per_image=True, headline=headline),
        *(
            Score(name=f"HD95 ({inside}{u})", unit=u, higher_is_better=False, first_by=f"one empty{one}")
            for u in ("nm", "px")
        ),
        Score(name=f"one empty{one}", higher_is_better=False),
    ]


def surface_values(
    totals: Mapping[str, NDArray[np.float64]], names: Sequence[Score], prefix: str = "", *, pooled: bool
) -> dict[str, NDArray[np.float64]]:
    """Turn sums of :meth:`SurfaceSums.statistics` into NSD, HD95 in nm, HD95 in px and the share of one-empty pairs.

    Args:
        totals: sums, any one shape S.
        names: :func:`surface_reported`.
        prefix: of the statistics.
        pooled: NSD as one ratio over all border pixels; otherwise the mean over pairs.

    Returns:
        by name, shape S. HD95 is the mean over the pairs that have one, NaN where none has.

    >>> sums = SurfaceSums("px")
    >>> sums.add(3, 4, 1.5)
    >>> totals = {name: np.array(value) for name, value in sums.statistics().items()}
    >>> {name: float(value) for name, value in surface_values(totals, surface_reported(ToleranceOptions()), pooled=True).items()}
    {'NSD@2px': 0.75, 'HD95 (nm)': nan, 'HD95 (px)': 1.5, 'one empty': 0.0}
    """
    own = {name.removeprefix(prefix): value for name, value in totals.items() if name.startswith(prefix)}
    values = [
        ratio(own["within"], own["border"]) if pooled else ratio(own["nsd_sum"], own["pairs"]),
        *(ratio(own[f"hd95_{unit}_sum"], own[f"hd95_{unit}_count"]) for unit in ("nm", "px")),
        ratio(own["one_empty"], own["pairs"]),
    ]
    return {score.name: value for score, value in zip(names, values, strict=True)}
