"""The charts of the page, as Vega-Lite specifications that name their data; the page fills those in for each table.

The same specification serves every table and both colour themes: colours of text and lines are the page's own style
variables, and the score that is shown is a parameter. Names from outside are data alone, never part of a specification.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import altair as alt

__all__ = ["chart_specifications"]

_PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8467C7", "#8A8F98"]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_ONE_LINE_EACH = {
    "intervals": ("scores", "name"),
    "distributions": ("images", "name"),
    "matrix": ("scores", "segmenter"),
    "ranks": ("ranks", "name"),
}
_INK, _SOFT, _RULE = "var(--ink)", "var(--ink-soft)", "var(--rule)"


@lru_cache(maxsize=1)
def chart_specifications() -> dict[str, dict[str, Any]]:
    """Every chart by name; each names its data set as :mod:`mitobench_report.page.datasets` does."""
    charts: dict[str, Callable[[], Any]] = {
        "intervals": _intervals,
        "pareto": _pareto,
        "distributions": _distributions,
        "matrix": _matrix,
        "thresholds": _thresholds,
        "sizes": _sizes,
        "precision-recall": lambda: _curve("recall", "precision"),
        "f1-confidence": lambda: _curve("confidence", "f1"),
        "precision-confidence": lambda: _curve("confidence", "precision"),
        "recall-confidence": lambda: _curve("confidence", "recall"),
        "ranks": _ranks,
    }
    found = {name: _styled(make()).to_dict(validate=False) for name, make in charts.items()}
    return {name: {**chart, **_height(name)} for name, chart in found.items()}


def _height(name: str) -> dict[str, Any]:
    """Which field of which data set has a line for each of its values: the page makes the chart as high as they need."""
    return {"usermeta": {"lines": _ONE_LINE_EACH[name]}} if name in _ONE_LINE_EACH else {}


def _intervals() -> Any:
    base = _of_score("scores").encode(y=_cells(), color=_segmenter(legend=False), tooltip=_tooltip("low", "high"))
    rule = base.mark_rule(strokeWidth=2.5, opacity=0.6).encode(x=_value("low"), x2="high:Q")
    return alt.layer(rule, base.mark_point(filled=True, size=75, opacity=1).encode(x=_value("value")))


def _pareto() -> Any:
    base = _of_score("scores").transform_filter("isValid(datum.seconds) && datum.seconds > 0")
    x = alt.X("seconds:Q", scale=alt.Scale(type="log"), title="seconds per image", axis=_sparse("~g"))
    front = (
        base.transform_filter("datum.front")
        .mark_line(interpolate="step-after", strokeWidth=1.5, color=_SOFT, strokeDash=[4, 3])
        .encode(x=x, y=_value("value", axis="y"), order="seconds:Q")
    )
    points = base.mark_point(filled=True, opacity=1, strokeWidth=1.5).encode(
        x=x,
        y=_value("value", axis="y"),
        color=_segmenter(),
        shape=_prompter(alt.Shape),
        size=alt.condition("datum.front", alt.value(150), alt.value(60)),
        stroke=alt.condition("datum.front", alt.value(_INK), alt.value("transparent")),
        tooltip=_tooltip("low", "high", "seconds"),
    )
    return alt.layer(front, points).properties(height=280)


def _distributions() -> Any:
    base = _of_score("images").encode(y=_cells(), color=_segmenter(legend=False))
    middle = base.mark_rule(strokeWidth=9, opacity=0.28).encode(x=alt.X("q1(value):Q"), x2="q3(value):Q")
    ticks = base.mark_tick(thickness=1.2, size=11, opacity=0.6).encode(x=_value("value"), tooltip=_tooltip())
    median = base.mark_tick(thickness=3, size=15, opacity=1, color=_INK).encode(
        x=alt.X("median(value):Q"), color=alt.value(_INK)
    )
    return alt.layer(middle, ticks, median)


def _matrix() -> Any:
    base = _of_score("scores").encode(
        x=alt.X(
            "prompter:N",
            title="prompter",
            axis=alt.Axis(labelAngle=-45, labelLimit=120, labelPadding=6, domain=False, ticks=False),
        ),
        y=alt.Y("segmenter:N", title=None, axis=alt.Axis(domain=False, ticks=False, labelPadding=8)),
        tooltip=_tooltip("low", "high"),
    )
    shade = alt.Opacity("level:Q", scale=alt.Scale(domain=[0, 1], range=[0.06, 1]), legend=None)
    text = alt.condition("datum.level > 0.55", alt.value("var(--on-accent)"), alt.value(_INK))
    numbers = base.mark_text(fontSize=12).encode(text=alt.Text("value:Q", format=".3f"), color=text)
    return alt.layer(base.mark_rect(cornerRadius=3, color="var(--accent)").encode(opacity=shade), numbers)


def _thresholds() -> Any:
    return _lines("thresholds", alt.X("threshold:Q", title="IoU threshold", scale=alt.Scale(zero=False)), "value", "F1")


def _sizes() -> Any:
    x = alt.X("area:Q", scale=alt.Scale(type="log"), title="area of the reference object (pixels)", axis=_sparse())
    return _lines("sizes", x, "recall", "recall at IoU 0.5", more=("objects", "found"))


def _curve(x: str, y: str) -> Any:
    titles = {"f1": "F1"}
    horizontal = alt.X(f"{x}:Q", title=titles.get(x, x), scale=alt.Scale(domain=[0, 1]))
    more = ("confidence", "precision", "recall", "f1")
    return _lines("confidences", horizontal, y, titles.get(y, y), more=more, points=False)


def _ranks() -> Any:
    base = alt.Chart(alt.NamedData("ranks"))
    cells = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False, labelPadding=8))
    x = alt.X("value:Q", title="mean rank (1 is best)", scale=alt.Scale(zero=False, nice=True))
    whiskers = base.mark_rule(strokeWidth=2.5, opacity=0.6, color=_PALETTE[0]).encode(y=cells, x="low:Q", x2="high:Q")
    tooltip = [alt.Tooltip("name:N", title="cell"), *(_number(n) for n in ("value", "low", "high"))]
    points = base.mark_point(filled=True, size=75, opacity=1, color=_PALETTE[0]).encode(y=cells, x=x, tooltip=tooltip)
    bars = alt.Chart(alt.NamedData("groups")).mark_rule(strokeWidth=5, color=_INK, strokeCap="round")
    return alt.layer(whiskers, points, bars.encode(y=cells, y2="last:N", x="place:Q"))


def _lines(data: str, x: alt.X, y: str, title: str, *, more: tuple[str, ...] = (), points: bool = True) -> Any:
    """One line per cell; the one pointed at, or chosen in a legend, stands out."""
    base = alt.Chart(alt.NamedData(data))
    near = alt.selection_point(fields=["name"], on="pointerover", clear="pointerout", name="near")
    where = {"y": alt.Y(f"{y}:Q", title=title, scale=alt.Scale(domain=[0, 1])), "x": x}
    look = {
        "color": _segmenter(),
        "opacity": alt.condition(near, alt.value(1), alt.value(0.18)),
        "detail": "name:N",
    }
    order = alt.Order("confidence:Q") if data == "confidences" else alt.Order(x.shorthand)
    line = base.mark_line(strokeWidth=1.8).encode(**where, **look, strokeDash=_prompter(alt.StrokeDash), order=order)
    tooltip = [alt.Tooltip("name:N", title="cell"), alt.Tooltip(x.shorthand, format=".3~g")]
    tooltip += [_number(name) for name in dict.fromkeys([y, *more])]
    marks = base.mark_point(filled=True, size=34 if points else 60).encode(
        **where, **(look if points else {**look, "opacity": alt.value(0)}), tooltip=tooltip
    )
    return alt.layer(line, marks.add_params(near)).properties(height=260)


def _of_score(data: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(data)).transform_filter("datum.score === score")


def _cells() -> alt.Y:
    order = alt.EncodingSortField(field="order", op="min")
    return alt.Y("name:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False, labelPadding=8))


def _value(field: str, *, axis: str = "x") -> Any:
    channel = alt.X if axis == "x" else alt.Y
    return channel(f"{field}:Q", title=None, scale=alt.Scale(zero=False, nice=True))


def _segmenter(*, legend: bool = True) -> alt.Color:
    return alt.Color(
        "segmenter:N", scale=alt.Scale(range=_PALETTE), legend=alt.Legend(title="segmenter") if legend else None
    )


def _prompter(channel: Any) -> Any:
    return channel("prompter:N", legend=alt.Legend(title="prompter"))


def _sparse(numbers: str = "~s") -> alt.Axis:
    return alt.Axis(tickCount=5, format=numbers, grid=False)


def _tooltip(*more: str) -> list[alt.Tooltip]:
    names = [alt.Tooltip("name:N", title="cell"), alt.Tooltip("score:N")]
    return [*names, *(_number(name) for name in ("value", *more))]


def _number(name: str) -> alt.Tooltip:
    titles = {"low": "95 % from", "high": "95 % to", "seconds": "seconds per image", "f1": "F1"}
    return alt.Tooltip(f"{name}:Q", format=".4~g", title=titles.get(name, name))


def _styled(chart: Any) -> Any:
    text = {"labelColor": _SOFT, "titleColor": _SOFT, "labelFontSize": 12, "titleFontSize": 12}
    legend = {
        "orient": "bottom",
        "direction": "vertical",
        "columns": 2,
        "symbolBaseFillColor": _SOFT,
        "symbolBaseStrokeColor": _SOFT,
        "labelLimit": 260,
    }
    axis = {
        "gridColor": _RULE,
        "domainColor": _RULE,
        "tickColor": _RULE,
        "titleFontWeight": "normal",
        "labelLimit": 260,
    }
    return (
        chart.add_params(alt.param(name="score", value=""))
        .properties(width="container", background="transparent")
        .configure(font=_FONT)
        .configure_view(stroke=None, step=26)
        .configure_axis(**axis, **text)
        .configure_legend(**legend, **text, titleFontWeight="normal")
    )
