"""The ``json`` reporter: the whole leaderboard as data."""

import json
from typing import TYPE_CHECKING

from mitobench.interfaces import BuildContext
from mitobench_report.options import JsonOptions

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.standings import Leaderboard

__all__ = ["JsonFile"]


class JsonFile:
    """Renders ``Leaderboard.to_data``; without costs, equal results give equal bytes."""

    def __init__(self, options: JsonOptions, context: BuildContext) -> None:
        self.options = options

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """JSON in ASCII, NaN-free, indented by two blanks."""
        return json.dumps(leaderboard.to_data(costs=self.options.costs), indent=2, allow_nan=False) + "\n"
