"""How long scoring takes, side by side with what one would run instead, in one run.

    python benchmarks/speed/instance_metrics.py [--quick] [--repeats 7]

Instance metrics: our whole ``statistics`` call (ten thresholds, errors, strata, object table) against
``stardist.matching.matching`` at the same ten thresholds. Boundary metrics: NSD and HD95 of the foreground and of five matched
instances against MONAI's, both given the same crops.
Both sides are called in turn; times are medians over the repeats. Compare ratios, not times of different runs. The full run
exits with status 1 where the compiled instance metrics are not TARGET times as fast as stardist.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Metric
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_metrics import contingency
from mitobench_metrics.boundary import BoundaryMetric
from mitobench_metrics.instance import InstanceMetric
from mitobench_metrics.matching import THRESHOLDS, TWENTIETHS
from mitobench_metrics.options import BoundaryOptions, InstanceOptions
from mitobench_metrics.surface_scores import SurfaceScale

FLOATS = [k / 20 for k in TWENTIETHS]
Labels = NDArray[np.int32]
TARGET = 20.0


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    ours: float
    theirs: float


def draw_pair(side: int, objects: int, seed: int = 0) -> tuple[Labels, Labels]:
    """A reference of ellipses on a jittered grid, and a prediction that moves, resizes, misses and splits some."""
    rng = np.random.default_rng(seed)
    per_row = int(np.ceil(np.sqrt(objects)))
    step = side // per_row
    reference, prediction = np.zeros((side, side), np.int32), np.zeros((side, side), np.int32)
    for index in range(objects):
        corner = np.array(divmod(index, per_row)) * step
        centre, radii = rng.uniform(0.45, 0.55, 2) * step, rng.uniform(0.2, 0.42, 2) * step
        _ellipse(reference, corner, step, centre, radii, index + 1)
        if rng.random() < 0.93:
            moved = centre + rng.normal(0, 0.03, 2) * step
            _ellipse(prediction, corner, step, moved, radii * rng.uniform(0.85, 1.15, 2), index + 1)
            if rng.random() < 0.05:
                y, x = corner
                half = prediction[y : y + step // 2, x : x + step]
                half[half == index + 1] = objects + index + 1
    return reference, prediction


def _ellipse(
    labels: Labels,
    corner: NDArray[np.int64],
    step: int,
    centre: NDArray[np.float64],
    radii: NDArray[np.float64],
    label: int,
) -> None:
    y, x = np.ogrid[:step, :step]
    inside = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 <= 1
    labels[corner[0] : corner[0] + step, corner[1] : corner[1] + step][inside] = label


def compare(what: str, ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> Row:
    """Call both in turn, so that a busy machine slows both; the first call of each is not counted."""
    times: tuple[list[float], list[float]] = [], []
    for repeat in range(repeats + 1):
        for call, kept in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            call()
            if repeat:
                kept.append(time.perf_counter() - start)
    return Row(what, *(statistics.median(kept) for kept in times))


def measure_instance(sample: Sample, segmentation: Segmentation, repeats: int) -> list[Row]:
    """Ours, compiled and with numpy alone, against stardist; refuses to time different counts."""
    from stardist.matching import matching

    def theirs() -> tuple[Any, ...]:
        return matching(sample.labels, segmentation.labels, thresh=FLOATS)

    ours = _statistics(InstanceMetric(InstanceOptions(), BuildContext()), sample, segmentation)
    counts = ours().image
    for t, their in zip(THRESHOLDS, theirs(), strict=True):
        if tuple(counts[f"{name}@{t}"] for name in ("tp", "fp", "fn")) != (their.tp, their.fp, their.fn):
            raise SystemExit(f"counts differ from stardist's at {t}: the comparison would mean nothing")
    rows = []
    for what, pixels in (("compiled", 1), ("numpy only", 1 << 62)):
        contingency.COMPILED_FROM_PIXELS = pixels
        rows.append(compare(f"instance, {what} / stardist matching", ours, theirs, repeats))
    return rows


def measure_boundary(sample: Sample, segmentation: Segmentation, repeats: int) -> list[Row]:
    """Ours against MONAI: the foreground, and matched instances on the same crops."""
    metric, scale = BoundaryMetric(BoundaryOptions(), BuildContext()), SurfaceScale.of(sample, BoundaryOptions())
    masks = sample.labels > 0, segmentation.labels > 0
    within, size, distance = scale.measure(*masks)
    if not np.allclose((within / size, distance), monai(*masks), rtol=1e-5):
        raise SystemExit("NSD or HD95 differ from MONAI's: the comparison would mean nothing")
    pairs = _statistics(metric, sample, segmentation)().objects
    few = list(zip(pairs["reference_id"], pairs["prediction_id"], strict=True))[:5]
    frames = [(sample.labels == r, segmentation.labels == p) for r, p in few]
    crops = [[mask[_window(*frame)] for mask in frame] for frame in frames]

    def ours() -> object:
        return [scale.measure(*crop) for crop in crops]

    return [
        compare("boundary, foreground / MONAI", lambda: scale.measure(*masks), lambda: monai(*masks), repeats),
        compare("boundary, 5 pairs / MONAI, same crops", ours, lambda: [monai(*pair) for pair in crops], repeats),
    ]


def monai(reference: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> tuple[float, float]:
    """MONAI's NSD at 2 px and HD95 of two masks."""
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    pair = [torch.from_numpy(np.ascontiguousarray(mask))[None, None] for mask in (prediction, reference)]
    nsd = compute_surface_dice(*pair, [2.0], include_background=True).item()
    return nsd, compute_hausdorff_distance(*pair, percentile=95, include_background=True).item()


def _window(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.nonzero(first | second)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def _statistics(metric: Metric, sample: Sample, segmentation: Segmentation) -> Callable[[], Any]:
    return lambda: metric.statistics(sample, segmentation, Prompts())


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a 1024 x 1024 pair with 200 objects instead of 4096 with 3000"
    )
    parser.add_argument("--repeats", type=int, default=7, help="timed calls of each (median)")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # MONAI warns about its own deprecated arguments
    side, objects = (1024, 200) if given.quick else (4096, 3000)
    reference, prediction = draw_pair(side, objects)
    sample = Sample(id="drawn", image=np.zeros(reference.shape, np.uint8), labels=reference)
    segmentation = Segmentation(labels=prediction, scores=np.ones(int(prediction.max()), np.float32))
    repeats = min(given.repeats, 3) if given.quick else given.repeats
    rows = measure_instance(sample, segmentation, repeats) + measure_boundary(sample, segmentation, repeats)
    print(f"{side} x {side}, {objects} objects, median of {repeats}, one thread")
    print(f"{'what':<52}{'ours [ms]':>12}{'theirs [ms]':>14}{'ratio':>9}")
    for row in rows:
        print(f"{row.what:<52}{row.ours * 1e3:>12.1f}{row.theirs * 1e3:>14.1f}{row.theirs / row.ours:>9.1f}")
    if not given.quick:
        sys.exit(judge(rows[0]))


def judge(row: Row) -> int:
    """Say how a row compares with what is expected of it; the exit status."""
    ratio = row.theirs / row.ours
    print(f"target {TARGET:.0f}x: {'reached' if ratio >= TARGET else f'missed, {row.what} {ratio:.1f}x'}")
    return int(ratio < TARGET)


if __name__ == "__main__":
    main()
