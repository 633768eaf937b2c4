"""Curves of runs and of searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from engine.ranking import Method
from report.figures.drawing import SERIES, Plot, brief, canvas, short
from report.intervals import PAPER_BASELINE, PAPER_SET, PAPER_TASKS
from report.model import HEADLINE, Source

Row = Mapping[str, Any]
# Columns of a run's metrics that one plot shows: title, explanation, unit, columns with their names.
_PLOTS: tuple[tuple[str, str, str, Mapping[str, str]], ...] = (
    ("Tasks solved", "paper's ranking, pass@3", "tasks",
     {"solved_cumulative": "all so far", "solved_policy": "policy alone", "solved_search": "search alone, so far",
      "solved_samples": "policy alone, so far"}),
    ("Loss", "nats a program token", "nats", {"loss": "training", "heldout_loss": "held-out programs"}),
    ("Samples", "share of samples with a valid grid, and of programs that replay did not have", "share",
     {"valid_share": "valid", "unique_share": "new"}),
    ("Sampling speed", "samples a second", "samples/s", {"samples_per_s": "samples/s"}),
)  # fmt: skip
_OF_SEARCH = ("solved_search", "solved_samples")  # columns that say something where there is search
_STYLES = ("-", "--", ":", "-.")


def run_plots(runs: Sequence[Source]) -> Iterator[Plot]:
    """The curves of one run or several, over meta-iterations."""
    runs = [run for run in runs if run.metrics]
    if not runs:
        return
    has_search = any(row.get("solved_search") is not None for run in runs for row in run.metrics)
    for title, text, unit, columns in _PLOTS:
        shown = {name: label for name, label in columns.items() if has_search or name not in _OF_SEARCH}
        yield _columns_plot(runs, title, text, unit, shown)
    busy = sorted({name for run in runs for name in run.metrics[-1] if "busy" in name and _is_number(run, name)})
    if busy:
        yield _columns_plot(runs, "Busy", "share of the time", "share", {name: name.replace("_", " ") for name in busy})
    for run in runs:
        yield _phases(run, named=len(runs) > 1)


def _is_number(run: Source, name: str) -> bool:
    return isinstance(run.metrics[-1][name], int | float)


def _columns_plot(runs: Sequence[Source], title: str, text: str, unit: str, columns: Mapping[str, str]) -> Plot:
    with canvas(f"{title}: {text}, by meta-iteration") as drawn:
        colors = cycle(SERIES)
        for run, first in zip(runs, cycle(SERIES), strict=False):
            for style, (column, name) in zip(cycle(_STYLES), columns.items(), strict=False):
                points = [(row["meta_iteration"], row[column]) for row in run.metrics if row.get(column) is not None]
                label = name if len(runs) == 1 else f"{run.name}: {name}"
                color = next(colors) if len(runs) == 1 else first
                drawn.axes.plot(
                    *_columns(points), style if len(runs) > 1 else "-", color=color, label=label, marker="o"
                )
        _finish(drawn.axes, "meta-iteration", unit)
    names = ["meta-iteration", *(_label(run, name, runs) for run in runs for name in columns.values())]
    return Plot(title, text, drawn.svg, names, _table(runs, columns))


def _label(run: Source, name: str, runs: Sequence[Source]) -> str:
    return name if len(runs) == 1 else f"{run.name}: {name}"


def _table(runs: Sequence[Source], columns: Mapping[str, str]) -> list[list[Any]]:
    by_run = [{row["meta_iteration"]: row for row in run.metrics} for run in runs]
    numbers = sorted({number for rows in by_run for number in rows})
    return [
        [number, *(_shown(rows.get(number, {}).get(column)) for rows in by_run for column in columns)]
        for number in numbers
    ]


def _shown(value: Any) -> Any:
    return "" if value is None else value


def _columns(points: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [x for x, _ in points], [y for _, y in points]


def _phases(run: Source, named: bool) -> Plot:
    """Where the seconds of a meta-iteration go, stacked; phases that overlap count in each."""
    rows = [row for row in run.metrics if isinstance(row.get("phase_s"), Mapping)]
    names = list(dict.fromkeys(name for row in rows for name in row["phase_s"]))
    title = f"Seconds by phase: {run.name}" if named else "Seconds by phase"
    with canvas(f"{title}, by meta-iteration") as drawn:
        below = [0.0] * len(rows)
        for color, name in zip(cycle(SERIES), names, strict=False):
            seconds = [row["phase_s"].get(name, 0.0) for row in rows]
            drawn.axes.bar([row["meta_iteration"] for row in rows], seconds, bottom=below, color=color, label=name)
            below = [a + b for a, b in zip(below, seconds, strict=True)]
        _finish(drawn.axes, "meta-iteration", "seconds")
    table = [[row["meta_iteration"], *(row["phase_s"].get(name, "") for name in names)] for row in rows]
    return Plot(title, "of a meta-iteration", drawn.svg, ["meta-iteration", *names], table)


def search_plots(searches: Sequence[Source]) -> Iterator[Plot]:
    """Tasks solved against programs, on a logarithmic scale, beside the paper's mutation baseline where it is alike."""
    searches = [search for search in searches if search.points and search.scored]
    if not searches:
        return
    text = "share of scored tasks, paper's ranking, pass@3"
    is_like_paper = all((search.task_set, len(search.puzzles)) == (PAPER_SET, PAPER_TASKS) for search in searches)
    with canvas(f"Tasks solved against programs run, {text}") as drawn:
        for color, search in zip(cycle(SERIES), searches, strict=False):
            drawn.axes.plot(*_columns(_solved(search)), color=color, marker="o", label=brief(search.name))
            distinct = _distinct(search)
            if distinct:
                drawn.axes.plot(*_columns(distinct), "--", color=color, marker="s", label="distinct ranking")
        if is_like_paper:
            drawn.axes.plot(
                *_columns(PAPER_BASELINE), ":", color=SERIES[5], marker="x", label="CodeIt's mutation baseline"
            )
        drawn.axes.set_xscale("log")
        drawn.axes.xaxis.set_major_formatter(lambda number, _: short(number))
        drawn.axes.xaxis.set_minor_formatter(lambda number, _: "")
        drawn.axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        _finish(drawn.axes, "programs run", "")
    rows = [[search.name, f"{x:,}", f"{y:.1%}"] for search in searches for x, y in _solved(search)]
    yield Plot("Solved against programs", text, drawn.svg, ["search", "programs", "solved"], rows)


def _solved(search: Source) -> list[tuple[int, float]]:
    return [
        (point, sum(result.solved[k] for result in search.results.values()) / search.scored)
        for k, point in enumerate(search.points)
        if point > 0
    ]


def _distinct(search: Source) -> list[tuple[int, float]]:
    """The other ranking, at the milestones that the search wrote down."""
    method = str(next(method for method in Method if method is not HEADLINE))
    found = ((row["programs"], row["solved"].get(method, {}).get("pass@3")) for row in search.curve)
    return [(programs, count / search.scored) for programs, count in found if count is not None]


def _finish(axes: Any, x: str, y: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1 if y == "tasks" else 0))
    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y == "tasks":
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    _, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        axes.figure.legend(loc="outside upper left", ncols=2 if any(len(label) > 16 for label in labels) else 3)
