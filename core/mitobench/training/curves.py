"""What a sweep shows: scores against the number of annotated images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mitobench.components import ComponentPlan
from mitobench.errors import UsageError
from mitobench.plan import Plan, make_plan
from mitobench.plugins import Plugins
from mitobench.ranking.published import OVERLAPS
from mitobench.ranking.standings import Leaderboard, LeaderboardTable
from mitobench.specs import Spec
from mitobench.training.bases import OPTION
from mitobench.training.sweep import PlannedSweep, SweepStep

if TYPE_CHECKING:
    from mitobench.weights import WeightsStore

__all__ = ["Curve", "CurvePoint", "curves", "evaluation"]


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One checkpoint's score: ``size`` and ``seed`` are None for a cell that no checkpoint of the sweep is part of."""

    size: int | None
    seed: int | None
    value: float | None
    images: int
    status: str
    cell: str
    checkpoint: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A score against the number of annotated images.

    Attributes:
        title: of the table that the score is from: the data, and whether prompts are an oracle's.
        data, prompter, segmenter: the cells, as asked for.
        column: the score.
        points: by seed and size; a component that is not trained has one point without either.
    """

    title: str
    data: str
    prompter: str
    segmenter: str
    column: str
    points: tuple[CurvePoint, ...]

    def values(self, size: int | None) -> list[float]:
        """The defined scores at one size, by seed."""
        return [p.value for p in self.points if p.size == size and p.value is not None]

    def plain(self) -> dict[str, Any]:
        """The curve as plain data."""
        return asdict(self)


def evaluation(planned: PlannedSweep, plugins: Plugins, store: "WeightsStore") -> Plan:
    """The plan of the whole evaluation, of those checkpoints that are there."""
    there = [step for step in planned.steps if step.training.out.is_file()]
    return make_plan(planned.experiment(there), plugins, store)


def curves(
    planned: PlannedSweep, plan: Plan, leaderboard: Leaderboard, *, score: str | None = None
) -> tuple[Curve, ...]:
    """The scores of a sweep that was evaluated.

    Args:
        planned: the sweep.
        plan: of all its checkpoints, as :meth:`PlannedSweep.experiment` names them.
        leaderboard: of the run.
        score: the column; by default the one that each table ranks by.

    Raises:
        UsageError: no table has that score.
    """
    cells = {cell.key: cell for cell in plan.cells}
    steps = {str(step.training.out): step for step in planned.steps}
    found: dict[tuple[str, str, str], Curve] = {}
    for table in leaderboard.tables:
        column = _column(table, score)
        for row in table.rows if column else ():
            if row.cell not in cells:
                continue
            cell = cells[row.cell]
            made = [steps[path] for c in cell.components if (path := str(c.given.get(OPTION, ""))) in steps]
            value = row.scores[column].value if column in row.scores else None
            point = CurvePoint(
                size=made[0].size if made else None,
                seed=made[0].seed if made else None,
                value=value,
                images=row.images,
                status=row.status,
                cell=row.cell,
                checkpoint=made[0].training.out.name if made else "",
                notes=tuple(f"{b.name}: {b.explanation}" for b in row.badges if b.name in OVERLAPS),
            )
            names = (table.title, _plain_label(cell.components[1], steps), _plain_label(cell.components[2], steps))
            curve = found.setdefault(
                names,
                Curve(
                    title=table.title, data=cell.data, prompter=names[1], segmenter=names[2], column=column, points=()
                ),
            )
            found[names] = replace(curve, points=tuple(sorted((*curve.points, point), key=_order)))
    if not found and score is not None:
        known = sorted({c.name for table in leaderboard.tables for c in table.columns})
        raise UsageError(f"no score {score!r}. There are: {', '.join(known) or 'none'}.")
    return tuple(
        sorted(found.values(), key=lambda c: (c.title, all(p.size is None for p in c.points), c.segmenter, c.prompter))
    )


def _column(table: LeaderboardTable, score: str | None) -> str:
    """The table's column of that name, whatever its case, or "" where it has none."""
    if score is None:
        return table.primary
    return next((c.name for c in table.columns if c.name.lower() == score.lower()), "")


def _plain_label(component: ComponentPlan, steps: Mapping[str, SweepStep]) -> str:
    """A component as it was asked for, without the sweep's checkpoint."""
    if str(component.given.get(OPTION, "")) not in steps:
        return component.label
    distribution, _, name = component.reference.rpartition("/")
    given = {key: value for key, value in component.given.items() if key != OPTION}
    return str(Spec(name, given, "" if distribution == "mitobench" else distribution))


def _order(point: CurvePoint) -> tuple[int, int]:
    return (-1 if point.seed is None else point.seed, point.size or 0)
