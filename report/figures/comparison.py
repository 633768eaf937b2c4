"""The figure of a sweep: each measure of its configurations, run by run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

from report.figures.drawing import SERIES, as_file, canvas

COLUMNS = 2


def comparison_figure(found: Mapping[str, Any]) -> str:
    """SVG, a file of its own, of what `engine.sweep.results` gives: a panel a measure, a point a run, a line at each
    mean, the baseline's going through all of the panel."""
    names = list(found["configurations"])
    measures = [name for name in found["measures"] if any(found["configurations"][one][name] for one in names)]
    rows = -(-len(measures) // COLUMNS)
    with canvas("Measures of a sweep by configuration", rows, COLUMNS) as drawn:
        for axes, measure in zip(drawn.panels, measures, strict=False):
            _panel(axes, measure, found)
        for axes in drawn.panels[len(measures) :]:
            axes.set_axis_off()
    return as_file(drawn.svg)


def _panel(axes: Any, measure: str, found: Mapping[str, Any]) -> None:
    configurations = found["configurations"]
    for place, (color, (name, some)) in enumerate(zip(cycle(SERIES), configurations.items(), strict=False)):
        values = [run[measure] for run in some["runs"] if run[measure] is not None]
        axes.plot(values, [place] * len(values), "o", color=color)
        if values:
            middle = some[measure]["mean"]
            axes.plot([middle, middle], [place - 0.35, place + 0.35], color=color)
            if name == found["baseline"]:
                axes.axvline(middle, color=color, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(configurations)), list(configurations))
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set_xlabel(measure.replace("_", " "))
