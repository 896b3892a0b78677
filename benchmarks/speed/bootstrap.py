"""What the uncertainty of a leaderboard costs, side by side with ``scipy.stats.bootstrap``; and how often its intervals hold.

    python benchmarks/speed/bootstrap.py [--cells 30] [--images 165] [--groups 1] [--resamples 10000] [--quick]
    python benchmarks/speed/bootstrap.py --coverage [--repeats 2000]

Ours is everything that a table of that size needs: one paired resampling, every score of the instance and semantic metrics of every
cell with its interval, ranks with theirs, and the comparison of all pairs. scipy's is one interval (percentile) of one score (the
mean over images) of each cell, without pairing. Times are processor seconds of one thread, which are the clock's on an idle machine.
The full run exits with status 1 where ours takes TARGET seconds or more.

``--coverage`` simulates scores whose true mean is known, and prints how many of 95 % intervals hold it: of plain percentiles
and of ours, by the number of independent units.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mitobench.interfaces import BuildContext, Metric
from mitobench.options import NoOptions
from mitobench.prompts import Prompts
from mitobench.ranking.columns import make_columns
from mitobench.ranking.pairs import compare_pairs
from mitobench.ranking.ranks import rank_intervals
from mitobench.ranking.resampling import resample
from mitobench.ranking.rows import score_cell
from mitobench.ranking.statistics import Estimate, estimate, estimate_interval, interval
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_metrics.instance import InstanceMetric
from mitobench_metrics.options import InstanceOptions
from mitobench_metrics.semantic import SemanticMetric

TARGET = 5.0
_POOL = 24


def make_metrics() -> dict[str, Metric]:
    """The metrics that run by default, with all their scores."""
    context = BuildContext()
    return {
        "instance@1": InstanceMetric(InstanceOptions(), context),
        "semantic@1": SemanticMetric(NoOptions(), context),
    }


def measure_pool(metric: Metric, rng: np.random.Generator) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Statistics of some small images, names (k,) and values (_POOL, k), which cells draw from."""
    rows: list[dict[str, float]] = []
    for number in range(_POOL):
        labels = np.zeros((96, 96), np.int32)
        predicted = labels.copy()
        for index in range(int(rng.integers(3, 9))):
            y, x = divmod(index, 3)
            labels[y * 32 + 4 : y * 32 + 24, x * 32 + 4 : x * 32 + 24] = index + 1
            if rng.random() < 0.9:
                shift = int(rng.integers(0, 8))
                predicted[y * 32 + 4 + shift : y * 32 + 24 + shift, x * 32 + 4 : x * 32 + 24] = index + 1
        kept = np.unique(predicted[predicted > 0])
        dense = np.searchsorted(kept, predicted).astype(np.int32) + (predicted > 0).astype(np.int32)
        segmentation = Segmentation(labels=dense, scores=np.ones(len(kept), np.float32))
        sample = Sample(id=str(number), image=np.zeros((96, 96), np.uint8), labels=labels)
        found = metric.statistics(sample, segmentation, Prompts())
        assert found is not None
        rows.append(dict(found.image))
    names = tuple(sorted(rows[0]))
    return names, np.array([[row[name] for name in names] for row in rows])


def ours(
    metrics: dict[str, Metric],
    cells: list[dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]],
    groups: list[str],
    resamples: int,
) -> int:
    """A table's statistics; returns how many intervals there are."""
    drawn = resample(groups, resamples)
    columns = make_columns(metrics)
    primary: dict[str, Estimate] = {}
    intervals = 0
    for number, cell in enumerate(cells):
        for key, metric in metrics.items():
            found = estimate(metric.scores, *cell[key], drawn)
            mine = [c for c in columns if c.metric == key]
            shown = [score_cell(found[c.score][c.mean_of_images], c) for c in mine]
            intervals += sum(s.low is not None for s in shown)
            if key == "instance@1":
                primary[f"{number:03d}"] = found["F1@0.5"][0]
    rank_intervals(np.stack([e.resampled for e in primary.values()]), higher_is_better=True, units=drawn.units)
    compare_pairs(primary)
    return intervals


def theirs(cells: list[dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]], resamples: int) -> int:
    """scipy's percentile interval of the mean of one column of each cell."""
    for number, cell in enumerate(cells):
        _, values = cell["semantic@1"]
        rng = np.random.default_rng(number)
        stats.bootstrap((values[:, 0],), np.mean, n_resamples=resamples, method="percentile", rng=rng)
    return len(cells)


def measure(cells: int, images: int, groups: int, resamples: int) -> tuple[float, float]:
    """Seconds of ours and of scipy's, after a warm-up; prints both."""
    rng = np.random.default_rng(0)
    metrics = make_metrics()
    pools = {key: measure_pool(metric, rng) for key, metric in metrics.items()}
    table = [
        {key: (names, values[rng.integers(0, _POOL, images)]) for key, (names, values) in pools.items()}
        for _ in range(cells)
    ]
    labels = [f"volume{i % groups:04d}" for i in range(images)]
    size = f"{cells} cells x {images} images in {groups} group(s), {resamples} resamples"
    seconds = []
    for name, run in (
        ("mitobench", lambda: ours(metrics, table, labels, resamples)),
        ("scipy", lambda: theirs(table, resamples)),
    ):
        ours(metrics, table[:1], labels, 10)
        spent, intervals = _time(run)
        seconds.append(spent)
        print(
            f"{name:10s} {spent:6.2f} s  {intervals:6d} intervals  {spent / intervals * 1000:7.3f} ms each   ({size})"
        )
    return seconds[0], seconds[1]


def judge(seconds: float) -> int:
    """Say whether the target is reached; the exit status."""
    reached = seconds < TARGET
    print(f"target {TARGET:g} s: {'reached' if reached else f'missed, {seconds:.1f} s'}")
    return int(not reached)


def coverage(repeats: int) -> None:
    """Print how many 95 % intervals hold the true mean, in percent."""
    draws: dict[str, tuple[float, Callable[[np.random.Generator, int], NDArray[np.float64]]]] = {
        "normal": (0.85, lambda rng, units: _means(rng.normal(0.85, 0.05, units))),
        "Beta(8, 2)": (0.8, lambda rng, units: _means(rng.beta(8, 2, units))),
        "Beta(20, 1)": (20 / 21, lambda rng, units: _means(rng.beta(20, 1, units))),
        "pooled F1": (_pooled_truth(), _pooled),
    }
    print("units  " + "  ".join(f"{name:>15s}" for name in draws) + "   (plain percentiles / ours)")
    for units in (2, 3, 4, 5, 6, 8, 10, 14, 20, 30, 60, 165):
        rng = np.random.default_rng(units)
        shown = []
        for truth, draw in draws.values():
            held = [_held(draw(rng, units), truth, int(rng.integers(1 << 30))) for _ in range(repeats)]
            plain, widened = np.mean(held, axis=0)
            shown.append(f"{plain:.1%} / {widened:.1%}")
        print(f"{units:5d}  " + "  ".join(f"{text:>15s}" for text in shown), flush=True)


def _means(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.ones_like(scores), scores], axis=1)


def _pooled(rng: np.random.Generator, images: int) -> NDArray[np.float64]:
    """Twice TP + FP + FN, and twice TP, of images with few and many objects: F1 pooled over images."""
    objects = rng.poisson(rng.gamma(2, 15, images)) + 1
    found = rng.binomial(objects, rng.beta(8, 2, images))
    return np.stack([found + objects + rng.poisson(0.1 * objects), 2 * found], axis=1).astype(float)


def _pooled_truth() -> float:
    total = _pooled(np.random.default_rng(0), 2_000_000).sum(axis=0)
    return float(total[1] / total[0])


def _held(values: NDArray[np.float64], truth: float, seed: int) -> tuple[bool, bool]:
    drawn = resample(["one volume"] * len(values), 2000, seed=seed)
    found, _ = estimate(lambda sums: {"score": sums["x"] / sums["n"]}, ("n", "x"), values, drawn)["score"]
    plain, widened = (
        spread is not None and spread[0] <= truth <= spread[1]
        for spread in (interval(found.resampled), estimate_interval(found))
    )
    return plain, widened


def _time(run: Callable[[], int]) -> tuple[float, int]:
    start = time.process_time()
    count = run()
    return time.process_time() - start, count


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--images", type=int, default=165)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="a small table, not judged")
    parser.add_argument(
        "--coverage", action="store_true", help="how often intervals hold, instead of how long they take"
    )
    parser.add_argument("--repeats", type=int, default=2000, help="simulations of --coverage")
    given = parser.parse_args()
    if given.coverage:
        coverage(given.repeats)
    elif given.quick:
        measure(3, 20, given.groups, 200)
    else:
        sys.exit(judge(measure(given.cells, given.images, given.groups, given.resamples)[0]))


if __name__ == "__main__":
    main()
