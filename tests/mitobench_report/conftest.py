"""What the tests of the page share: a small run with real metrics, pictures, an oracle and a cell that failed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mitobench.experiment import Experiment
from mitobench.interfaces import BuildContext
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore
from mitobench_report.options import HtmlOptions

HOSTILE = ("a<img src=x onerror=alert(1)>", 'b"><script>alert(2)<|script>', "c\u202eevil\u2066", "d" + "x" * 200, "=e")
"""File names (without suffix) of images: what would act in a page, what turns the reading direction, what is too long."""


def discs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image, uint8 (48, 40), and its labels, of three bright discs on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :40]
    image, labels = rng.normal(40, 10, (48, 40)), np.zeros((48, 40), np.uint8)
    for number, (row, column) in enumerate(((12, 10), (12, 30), (36, 20)), start=1):
        disc = (y - row) ** 2 + (x - column) ** 2 < rng.uniform(4, 9) ** 2
        labels[disc] = number
        image[disc] = rng.uniform(70, 200)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def run(base: Path, out: Path, *, data: str, prompters: tuple[str, ...], segmenters: tuple[str, ...]) -> Path:
    """Run an experiment with the metrics that are on by default."""
    plugins = Plugins.discover()
    experiment = Experiment(
        data=tuple(map(parse_spec, (data,) if isinstance(data, str) else data)),
        prompters=tuple(map(parse_spec, prompters)),
        segmenters=tuple(map(parse_spec, segmenters)),
        metrics=(),
        base=base,
    )
    folder = RunFolder.create_or_open(out)
    plan = make_plan(experiment, plugins, WeightsStore(plugins, cache=base / "cache", offline=True), folder=folder)
    execute(plan, folder, plugins, device="cpu")
    return out


class Pages:
    """Renders pages of runs as ``mitobench leaderboard --format html`` does."""

    def __init__(self) -> None:
        self.plugins = Plugins.discover()

    def evidence(self, *runs: Path) -> Evidence:
        return Evidence([RunFolder.open(path) for path in runs], self.plugins)

    def render(self, *runs: Path, board=None, **options) -> str:
        evidence = self.evidence(*runs)
        reporter = self.plugins.find("reporter", "html").target()(HtmlOptions(**options), BuildContext())
        return reporter.render(board or build_leaderboard(evidence, resamples=50), evidence)


@pytest.fixture(scope="session")
def pages():
    return Pages()


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory):
    """Two data sources, an automatic prompter, an oracle and one that fails on every image it should not."""
    base = tmp_path_factory.mktemp("toy")
    return run(
        base,
        base / "run",
        data=("toy-discs:n=5,groups=5", "toy-discs:n=4,seed=1"),
        prompters=("toy-centres", "toy-oracle", "toy-centres:fail_on=disc1"),
        segmenters=("toy-flood", "toy-threshold:threshold=120", "toy-flood:shape_error=true"),
    )


@pytest.fixture(scope="session")
def toy_page(pages, toy_run):
    return pages.render(toy_run)


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory):
    """A run on files whose names are hostile, in a folder whose name is hostile."""
    base = tmp_path_factory.mktemp("hostile")
    root = base / "<b onclick=alert(3)>'\" & co"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for seed, name in enumerate(HOSTILE):
        image, labels = discs(seed)
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(labels).save(root / "labels" / f"{name}.png")
    quoted = str(root).replace("\\", "\\\\").replace('"', '\\"')
    return run(
        base,
        base / "run",
        data=f'folder:root="{quoted}",reference=instance',
        prompters=("toy-centres",),
        segmenters=("toy-flood", "toy-threshold"),
    )


@pytest.fixture
def copied(toy_run, tmp_path):
    """The toy run again, to be damaged."""
    return Path(shutil.copytree(toy_run, tmp_path / "copy"))
