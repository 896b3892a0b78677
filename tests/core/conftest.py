"""What the core's tests share: a way to run experiments of toy components."""

from pathlib import Path

import pytest

from mitobench.experiment import Experiment
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore


class Bench:
    """Plans, runs and ranks toy experiments as the command line does."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.plugins = Plugins.discover()
        self.store = WeightsStore(self.plugins, cache=base / "cache", offline=True)

    def experiment(
        self,
        data="toy-discs",
        prompters=(),
        segmenters=("toy-threshold",),
        metrics=("toy-overlap", "toy-prompted"),
        **rest,
    ):
        def specs(texts):
            return tuple(parse_spec(t) for t in ((texts,) if isinstance(texts, str) else texts))

        return Experiment(
            data=specs(data),
            prompters=specs(prompters),
            segmenters=specs(segmenters),
            metrics=specs(metrics),
            base=self.base,
            **rest,
        )

    def plan(self, folder=None, **asked):
        return make_plan(self.experiment(**asked), self.plugins, self.store, folder=folder)

    def run(self, folder: RunFolder | Path, *, batch=2, workers=0, **asked):
        if isinstance(folder, Path):
            folder = RunFolder.create_or_open(folder)
        settings = {name: asked.pop(name) for name in ("executor", "progress", "should_stop") if name in asked}
        return execute(
            self.plan(folder, **asked), folder, self.plugins, device="cpu", batch=batch, workers=workers, **settings
        )

    def leaderboard(self, *paths: Path, **options):
        return build_leaderboard(Evidence([RunFolder.open(p) for p in paths], self.plugins), resamples=100, **options)


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)
