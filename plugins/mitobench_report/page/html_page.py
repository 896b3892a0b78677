"""The ``html`` reporter: everything that mitobench knows about some runs, as one page that works without a network."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mitobench.interfaces import BuildContext
from mitobench.text import inert
from mitobench_report import wording
from mitobench_report.options import HtmlOptions
from mitobench_report.page import citations, provenance
from mitobench_report.page.datasets import cell_name, rank_rows
from mitobench_report.page.gallery import Gallery, Scene
from mitobench_report.page.pictures import Pictures
from mitobench_report.page.policy import as_script, content_policy
from mitobench_report.page.views import BoardView, CellView, cell_ids, make_board, make_cell

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.standings import Leaderboard

__all__ = ["HtmlPage"]

_PICTURES_SHARE = 0.5
_IMAGE_VALUES = 300_000
_CHART_VALUES = 40_000
_SCRIPTS = ("tables.js", "charts.js", "compare.js", "page.js")


class HtmlPage:
    """Renders one HTML file that holds its scripts, styles, data and pictures, and may fetch nothing.

    Text from outside is escaped by the template engine, and made inert (:func:`mitobench.text.inert`) before that. Scripts
    find it in JSON or in attributes, and put it into the page as text.
    """

    def __init__(self, options: HtmlOptions, context: BuildContext) -> None:
        self.options = options

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """The page."""
        from mitobench_report.page.charts import chart_specifications

        pictures = Pictures(0)
        gallery = Gallery(evidence, pictures, self.options.drawn)
        ids = cell_ids(leaderboard)
        boards = self._boards(leaderboard, evidence, gallery, ids)
        cells = _cells(leaderboard, evidence, ids)
        styles = [_asset("page.css"), pictures.style()]
        scripts = [_chart_library(), "\n".join(map(_asset, _SCRIPTS))]
        return (
            _environment()
            .get_template("page.html.j2")
            .render(
                policy=Markup(content_policy(scripts, styles)),  # noqa: S704  (hashes and keywords)
                scripts=[as_script(text) for text in scripts],
                styles=[as_script(text, "style") for text in styles],
                leaderboard=leaderboard,
                boards=boards,
                ranks=[(ranks, rank_rows(ranks)) for ranks in wording.shown_mean_ranks(leaderboard)],
                cells=cells,
                ids=ids,
                rows={(cell.row.cell, image.image): image.id for cell in cells for image in cell.images},
                comparisons=_comparisons(leaderboard, evidence, gallery, ids),
                left_out={reason: gallery.left_out(reason) for reason in ("large", "many")},
                options=self.options,
                charts=chart_specifications(),
                runs=[str(folder.source) for folder in evidence.folders],
                requests=provenance.describe_runs(evidence.folders),
                data=provenance.data_facts(evidence),
                weights=provenance.weights_facts(evidence),
                credits=(credited := citations.credits_of(evidence)),
                bibliography=citations.bibliography(credited),
            )
        )

    def _boards(
        self, leaderboard: "Leaderboard", evidence: "Evidence", gallery: Gallery, ids: Mapping[str, str]
    ) -> list[BoardView]:
        """The tables' views; each may use its share of the bytes for pictures, the comparisons what is left."""
        whole = int(self.options.megabytes * 1e6 * _PICTURES_SHARE)
        boards = []
        for number, table in enumerate(leaderboard.tables, start=1):
            gallery.pictures.budget = whole * 2 * number // (3 * len(leaderboard.tables))
            tiles = gallery.tiles(table, self.options.images)
            most = _CHART_VALUES // len(leaderboard.tables)
            boards.append(make_board(number, table, evidence, tiles, ids, most=most))
        for number, data in enumerate(sources := list(dict.fromkeys(t.data for t in leaderboard.tables)), start=1):
            gallery.pictures.budget = whole * (2 * len(sources) + number) // (3 * len(sources))
            same = [table for table in leaderboard.tables if table.data == data]
            gallery.compared(same, self.options.compare)
        return boards


def _cells(leaderboard: "Leaderboard", evidence: "Evidence", ids: Mapping[str, str]) -> list[CellView]:
    shown = (sum(not column.mean_of_images for column in table.columns) for table in leaderboard.tables)
    columns = max(shown, default=1)
    most = max(10, _IMAGE_VALUES // max(1, len(ids) * columns))
    return [
        make_cell(row, table, evidence, ids[row.cell], most=most) for table in leaderboard.tables for row in table.rows
    ]


def _comparisons(
    leaderboard: "Leaderboard", evidence: "Evidence", gallery: Gallery, ids: Mapping[str, str]
) -> list[dict[str, Any]]:
    """For each data source: its cells, and its scenes with the layers of each cell; what the slider chooses from."""
    found = []
    for data, scenes in gallery.scenes.items():
        cells = [
            {"id": ids[row.cell], "name": cell_name(row), "oracle": table.oracle}
            for table in leaderboard.tables
            for row in table.rows
            if row.cell in evidence.cells and evidence.cells[row.cell].record["data"]["key"] == data
        ]
        label = next(str(c.record["data"]["label"]) for c in evidence.cells.values() if c.record["data"]["key"] == data)
        ordered = sorted(scenes.values(), key=lambda scene: (-len(scene.cells), scene.image))
        found.append({"label": label, "cells": cells, "scenes": [_scene(scene, ids) for scene in ordered]})
    return found


def _scene(scene: Scene, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        "image": inert(scene.image),
        "base": scene.base,
        "reference": scene.reference,
        "missing": inert(scene.missing),
        "cells": {ids[cell]: layers for cell, layers in scene.cells.items() if cell in ids},
    }


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mitobench_report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: inert(value) if type(value) is str else value,
    )
    words = (
        *(wording.number, wording.cost_text, wording.cost_title),
        *(wording.column_title, wording.ordered_columns, wording.images_text),
    )
    environment.globals |= {function.__name__: function for function in words}
    environment.globals |= {
        "cell_name": cell_name,
        "cell_names": lambda table: {row.cell: cell_name(row) for row in table.rows},
        "links": citations.links,
        "sentence": _sentence,
    }
    return environment


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _asset(name: str) -> str:
    return files("mitobench_report.page").joinpath("assets", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _chart_library() -> str:
    """Vega-Embed with the Vega-Lite that the charts are written for, as one script, from the installed vl-convert-python."""
    import altair as alt
    import vl_convert

    known = vl_convert.get_vegalite_versions()
    wanted = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_version=wanted if wanted in known else known[-1]
    )
    return bundle
