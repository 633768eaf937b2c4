"""A plot as SVG for the page: no file, no network, and the page's own colours.

matplotlib knows no CSS variables, so it draws in colours that nothing else has, and these are replaced in its output.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = tuple(f"#0a000{k}" for k in range(1, 9))
_INK, _MUTED, _LINE = "#0b0001", "#0b0002", "#0b0003"
_VARIABLES = {
    **{color: f"var(--s{k})" for k, color in enumerate(SERIES, 1)},
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _LINE: "var(--line)",
}
_LABEL = 40  # characters of a label at most
_STYLE = {
    "figure.figsize": (5.2, 2.9),
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _LINE,
    "grid.linewidth": 0.7,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "text.color": _INK,
    "text.parse_math": False,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "axes.axisbelow": True,
    "font.size": 10,
    "lines.linewidth": 2,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "svg.hashsalt": "codeit",
}


@dataclass(frozen=True)
class Plot:
    """A figure of the page: what it shows, the SVG, and its numbers as a table."""

    title: str
    text: str
    svg: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()


@dataclass
class Canvas:
    """Where a plot is drawn; `svg` is there afterwards."""

    figure: Figure
    axes: Axes
    """the first panel"""
    panels: Sequence[Axes] = ()
    svg: str = ""


def short(number: float) -> str:
    """A number as an axis shows it: 500, 20k, 1.4M."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"


def brief(name: str) -> str:
    """A name as a legend has room for it: of a long one both ends, since names differ in either."""
    return name if len(name) <= _LABEL else f"{name[: _LABEL // 2]}…{name[1 - _LABEL // 2 :]}"


@contextmanager
def canvas(label: str, rows: int = 1, columns: int = 1) -> Iterator[Canvas]:
    """A plot to draw on, of one panel or several in a grid; `label` is what a screen reader says."""
    import matplotlib  # deferred: it is slow to import
    from matplotlib.figure import Figure

    width, height = _STYLE["figure.figsize"]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(layout="constrained", figsize=(columns * width, rows * height))
        panels = [figure.add_subplot(rows, columns, k + 1) for k in range(rows * columns)]
        drawn = Canvas(figure, panels[0], panels)
        yield drawn
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn.svg = _for_page(out.getvalue(), label)


def as_file(svg: str) -> str:
    """A plot as a file of its own, in the page's light colours."""
    style = files("report").joinpath("templates/style.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"(--[\w]+): light-dark\((#\w+),", style))
    text = re.sub(r"var\((--\w+)\)", lambda match: colors[match[1]], svg)
    return text.replace("<svg", '<svg style="background: #ffffff"', 1) + "\n"


def _for_page(svg: str, label: str) -> str:
    """The element alone, with the page's colours, a label, and ids that no other plot of the page has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"#0[ab]000\d", lambda match: _VARIABLES.get(match[0], match[0]), svg)
    svg = re.sub(r' id="(?:figure|axes|patch|line2d|text|xtick|ytick|matplotlib|legend|[A-Z]\w+)_?[\w.]*"', "", svg)
    head, _, rest = svg.partition(">")
    head = re.sub(r' (?:width|height|xmlns:xlink|version)="[^"]*"', "", head)
    return f'{head} role="img" aria-label={quoteattr(label)}>{rest}'.replace("xlink:href", "href")
