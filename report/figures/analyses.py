"""Plots of what `codeit analyse` wrote of a folder: `analysis/NAME.json`, one question each.

What is in such a file says its module in `engine.analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from engine.errors import UsageError
from report.figures.drawing import SERIES, Plot, canvas, short
from report.model import Source

Data = Mapping[str, Any]
MOST = 12  # bars of names


def analysis_plots(source: Source) -> Iterator[Plot]:
    """The plots of a source's analyses. Raises `UsageError` for data of another form."""
    for name, data in source.analyses.items():
        try:
            plots = list(_PLOTS[name](data))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            file = source.path / "analysis" / f"{name}.json"
            raise UsageError(f"{file}: no such analysis ({error!r}); write it again with codeit analyse") from None
        yield from plots


def _forgetting(data: Data) -> Iterator[Plot]:
    steps, names = data["steps"], ("gained", "regained", "lost")
    with canvas(f"Tasks that each {data['unit']} solves, gains, gains again and loses") as drawn:
        axes, places = drawn.axes, range(len(steps))
        axes.bar(places, data["gained"], color=SERIES[2], label="gained")
        axes.bar(places, data["regained"], bottom=data["gained"], color=SERIES[0], label="gained again")
        axes.bar(places, [-n for n in data["lost"]], color=SERIES[1], label="lost")
        axes.plot(places, data["solved"], color=SERIES[5], label="solved")
        label_steps(axes, steps, data["unit"])
        axes.figure.legend(loc="outside upper left", ncols=4)
    lost = len(data["lost_at_end"])
    text = f"the samples of each {data['unit']} alone; of {data['ever']} tasks ever solved, the last lacks {lost}"
    rows = list(zip(steps, *(data[name] for name in names), data["solved"], data["cumulative"], strict=True))
    yield Plot("Forgetting by the policy", text, drawn.svg, [data["unit"], *names, "solved", "cumulative"], rows)


def _refinement(data: Data) -> Iterator[Plot]:
    points = data["shortest"]
    if points:
        with canvas(f"Mean lines of the shortest programs, by {data['unit']}") as drawn:
            drawn.axes.plot([p["step"] for p in points], [p["lines"] for p in points], color=SERIES[0], marker="o")
            drawn.axes.set_ylim(bottom=0)
            drawn.axes.set_xlabel(data["unit"])
            drawn.axes.set_ylabel("lines")
            drawn.axes.xaxis.set_major_formatter(lambda number, _: short(number))
        keys = ("step", "tasks", "characters", "lines", "share_of_first")
        text = "mean lines of the shortest programs that are right on all demonstrations of their task"
        columns = [data["unit"], "tasks", "characters", "lines", "characters, share of the first"]
        yield Plot("Refinement", text, drawn.svg, columns, [[p[key] for key in keys] for p in points])
    if data["origins"]:
        yield _primitives(data["origins"])


def _primitives(origins: Mapping[str, Data]) -> Plot:
    """The primitives that most programs use, of each origin beside the others."""
    most = {name: max(one["primitives"].get(name, 0) for one in origins.values())
            for one in origins.values() for name in one["primitives"]}  # fmt: skip
    names = sorted(most, key=lambda name: -most[name])[:MOST]
    with canvas("Share of the programs that use a primitive, by origin") as drawn:
        height = 0.8 / len(origins)
        for k, (color, (origin, one)) in enumerate(zip(cycle(SERIES), origins.items(), strict=False)):
            places = [place + k * height for place in range(len(names))]
            shares = [one["primitives"].get(name, 0) for name in names]
            drawn.axes.barh(places, shares, height, color=color, label=origin)
        _label_names(drawn.axes, names, len(origins) > 1)
        drawn.axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    rows = [
        [origin, one["programs"], one["characters"], one["lines"], _listed(one["primitives"])]
        for origin, one in origins.items()
    ]
    columns = ["origin", "programs", "mean characters", "mean lines", "primitives used most"]
    return Plot("Primitives used", "share of the programs of an origin", drawn.svg, columns, rows)


def _listed(shares: Mapping[str, float]) -> str:
    most = sorted(shares, key=lambda name: -shares[name])[:MOST]
    return ", ".join(f"{name} {shares[name]:.0%}" for name in most)


def _length(data: Data) -> Iterator[Plot]:
    for key, title, unit in (
        ("by_lines", "Length and generalisation", "lines of the program"),
        ("by_cells", "Grid size and generalisation", "cells of the largest demonstration input"),
    ):
        bins = data[key]
        if not bins:
            continue
        with canvas(
            f"Share of the programs right on all demonstrations that are right on the tests, by {unit}"
        ) as drawn:
            drawn.axes.bar(range(len(bins)), [one["share"] for one in bins], color=SERIES[0])
            drawn.axes.set_ylim(0, 1)
            drawn.axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
            drawn.axes.set_xticks(range(len(bins)), [_bin(one) for one in bins])
            drawn.axes.set_xlabel(unit)
        rows = [[_bin(one), one["programs"], one["right"], f"{one['share']:.1%}", one["tasks"]] for one in bins]
        text = f"of {data['programs']:,} programs right on all demonstrations, the share right on the tests"
        yield Plot(title, text, drawn.svg, [unit, "programs", "right", "share", "tasks"], rows)


def _bin(one: Data) -> str:
    if one["to"] is None:
        return f"{one['from']}+"
    return f"{one['from']}" if one["from"] == one["to"] else f"{one['from']}-{one['to']}"


def _relabelling(data: Data) -> Iterator[Plot]:
    steps = data["steps"]
    if not steps:
        return
    with canvas("Share of the samples that there is something to learn from, with relabelling and without") as drawn:
        for color, name in zip(SERIES, ("with", "without"), strict=False):
            points = [(x, y) for x, y in zip(steps, data["samples"][name], strict=True) if y is not None]
            if points:
                drawn.axes.plot(*zip(*points, strict=True), color=color, marker="o", label=f"{name} relabelling")
        drawn.axes.set_ylim(0, 1)
        drawn.axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        drawn.axes.set_xticks(steps[:: max(1, len(steps) // 8)])
        drawn.axes.set_xlabel("meta-iteration")
        drawn.axes.figure.legend(loc="outside upper left", ncols=2)
    columns = ["meta-iteration", "samples, with", "samples, without",
               "new programs, with", "right on some demonstrations", "right on all"]  # fmt: skip
    rows = list(zip(steps, data["samples"]["with"], data["samples"]["without"],
                    *(data["distinct"][name] for name in ("with", "partly", "without")), strict=True))  # fmt: skip
    text = "samples that give a grid, which relabelling makes examples of; without, those right on all demonstrations"
    yield Plot("What relabelling adds", text, drawn.svg, columns, rows)


def _abstractions(data: Data) -> Iterator[Plot]:
    found = data["subprograms"]
    if not found:
        return
    best = found[:MOST]
    with canvas("Tasks whose solutions share a sub-program that no seed has") as drawn:
        drawn.axes.barh(range(len(best)), [len(one["tasks"]) for one in best], color=SERIES[3])
        _label_names(drawn.axes, [_cut(one["expression"]) for one in best], False)
        drawn.axes.set_xlabel("tasks")
    rows = [[one["expression"], one["calls"], one["programs"], ", ".join(one["tasks"])] for one in found]
    text = f"{data['found']:,} sub-programs in more than one of {data['solutions']:,} solutions, and in no seed"
    yield Plot("Novel abstractions", text, drawn.svg, ["sub-program", "calls", "programs", "tasks"], rows)


def _cut(text: str, most: int = 34) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _failures(data: Data) -> Iterator[Plot]:
    kinds = [{"name": name, **one} for name, one in data["by_kind"].items()]
    lines = [{"name": _bin(one), **one} for one in data["by_lines"]]
    reasons = ", ".join(f"{reason} {len(tasks)}" for reason, tasks in data["unsolved"].items())
    for title, unit, bins in (
        ("Failures by length", "lines of the shortest known solver", lines),
        ("Failures by kind", "parts of the language that the known solver uses", kinds),
    ):
        if not bins:
            continue
        with canvas(f"Tasks solved and not, by {unit}") as drawn:
            solved = [one["solved"] for one in bins]
            failed = [one["tasks"] - one["solved"] for one in bins]
            drawn.axes.barh(range(len(bins)), solved, color=SERIES[2], label="solved")
            drawn.axes.barh(range(len(bins)), failed, left=solved, color=SERIES[1], label="not solved")
            _label_names(drawn.axes, [one["name"] for one in bins], True)
            drawn.axes.set_xlabel("tasks")
        text = f"{data['solved']} of {data['tasks']} tasks solved, distinct ranking; unsolved, best program: {reasons}"
        rows = [[one["name"], one["tasks"], one["solved"]] for one in bins]
        yield Plot(title, text, drawn.svg, [unit, "tasks", "solved"], rows)


def label_steps(axes: Any, steps: Sequence[int], unit: str) -> None:
    """Ticks at steps that stand at equal distances."""
    places = range(0, len(steps), max(1, len(steps) // 8))
    axes.set_xticks(list(places), [short(steps[k]) for k in places])
    axes.set_xlabel(f"{unit}s")
    axes.set_ylabel("tasks")


def _label_names(axes: Any, names: Sequence[str], legend: bool) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    if legend:
        axes.figure.legend(loc="outside upper left", ncols=4)


_PLOTS: dict[str, Callable[[Data], Iterator[Plot]]] = {
    "forgetting": _forgetting,
    "refinement": _refinement,
    "length": _length,
    "relabelling": _relabelling,
    "abstractions": _abstractions,
    "failures": _failures,
}
NAMES = tuple(_PLOTS)
