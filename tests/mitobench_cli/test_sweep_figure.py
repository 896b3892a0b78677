"""The figure of a sweep: nothing lies on its lines."""

import pytest

from mitobench.training.curves import Curve, CurvePoint
from mitobench_cli import sweep_figure


def curve(title, segmenter, scores):
    points = (
        CurvePoint(size=size, seed=0, value=value, images=4, status="ok", cell=f"{segmenter} {size}")
        for size, value in scores.items()
    )
    return Curve(title=title, data="d", prompter="gt-box", segmenter=segmenter, column="Dice", points=tuple(points))


@pytest.mark.parametrize("panels", [1, 3])
@pytest.mark.parametrize("trained", [1, 5])
def test_the_legend_is_below_the_axis_and_above_the_next_panel(monkeypatch, panels, trained):
    drawn = []
    monkeypatch.setattr(sweep_figure, "encode", lambda figure, name: drawn.append(figure) or b"")
    scores = {1: 0.8, 2: 0.85, 5: 0.9, 126: 0.9}
    curves = [
        curve(f"table {panel}", f"sam-ft:lora_rank={number + 1}", scores)
        for panel in range(panels)
        for number in range(trained)
    ] + [curve(f"table {panel}", "sam", {None: 0.875}) for panel in range(panels)]
    sweep_figure.draw_curves(curves, ["png"])
    (figure,) = drawn
    figure.canvas.draw()
    floor = figure.bbox.y1
    for axes in figure.axes:
        legend, label = axes.get_legend().get_window_extent(), axes.xaxis.label.get_window_extent()
        assert len(axes.get_legend().get_texts()) == trained + 1
        assert legend.y1 < label.y0
        assert axes.title.get_window_extent().y1 <= floor
        floor = legend.y0
    assert floor >= 0
