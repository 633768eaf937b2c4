"""The HTML file: one page that holds its data, its plots and its code, and asks the network for nothing.

What comes from files (ids, names, programs) reaches the page as text of an autoescaped template, or as JSON in which no
tag can begin; the page's code sets text alone. A content policy, with the hash of that code, lets nothing else run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata, resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.errors import printable
from engine.tasks.task_set import short_name
from report.catalogue import Case, catalogue
from report.detail import Runner, compact, detail
from report.figures.analyses import analysis_plots
from report.figures.curves import run_plots, search_plots
from report.figures.drawing import Plot
from report.figures.lessons import lesson_plots
from report.figures.profiles import profile_plots
from report.index import index
from report.intervals import PAPER, PAPER_TASKS, Figure, figures
from report.model import ATTEMPTS, HEADLINE, PROFILE, Puzzle, Source

BUDGET = 12_000_000  # bytes of all tasks' details, so that the page stays under 20 MB
MOST = 80_000  # bytes of one task's
_SCRIPTS = ("grids", "page", "gallery", "task", "main")
_BOARDS = {
    "policy": "policy alone", "cumulative": "all found", "samples": "policy alone, all samples so far",
    "search": "search alone, all so far",
}  # fmt: skip


def render(sources: Sequence[Source], watch: str = "") -> str:
    """The page of one source or several; with `watch`, it reloads where the server's version is another."""
    profiles = [source for source in sources if source.kind == PROFILE]
    everything, sources = sources, [source for source in sources if source.kind != PROFILE]
    cases = catalogue(sources)
    environment = Environment(
        loader=PackageLoader("report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = _script()
    text = environment.get_template("page.html.j2").render(
        title=_title(everything),
        version=metadata.version("codeit"),
        watch=watch,
        style=Markup(_template("style.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        overview=[*_overviews(sources), *_overviews(profiles, lettered=not sources)],
        has_tasks=bool(sources),
        pairs=list(_pairs(sources, cases)),
        paper=[(name, count, f"{count / PAPER_TASKS:.1%}") for name, count in PAPER],
        paper_tasks=PAPER_TASKS,
        groups=_groups(sources, profiles),
        index=_json(index(sources, cases)),
        details=_details(sources, cases),
    )
    return printable(text)


def _title(sources: Sequence[Source]) -> str:
    return " and ".join(source.name for source in sources)


@cache
def _template(name: str) -> str:
    return resources.files("report").joinpath("templates", name).read_text(encoding="utf-8")


def _script() -> str:
    """The page's code: its files in order, in one scope."""
    parts = "\n".join(_template(f"script/{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _json(record: Any) -> Markup:
    """JSON for a script element: no tag or comment can begin in it."""
    return Markup(compact(record).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _details(sources: Sequence[Source], cases: Sequence[Case]) -> Iterator[Markup]:
    runner = cache(Runner)  # one of each limits
    budget = min(MOST * len(sources), BUDGET // max(len(cases), 1))
    for case in cases:
        yield _json(detail(case, sources, runner, budget))


def _overviews(sources: Sequence[Source], lettered: bool = True) -> list[dict[str, Any]]:
    """What is said of each source, under the letter that the page knows it by, where there are several."""
    letters = map(chr, range(ord("A"), ord("A") + len(sources)))
    return [_overview(letter if lettered else "", source) for letter, source in zip(letters, sources, strict=True)]


def _overview(letter: str, source: Source) -> dict[str, Any]:
    rows = list(figures(source)) if source.scored else []
    asked = f"{len(source.puzzles)} tasks" + (f" of {short_name(source.task_set)}" if source.task_set else "")
    about = "" if source.kind == PROFILE else f" on {asked}"
    return {
        "letter": letter,
        "name": source.name,
        "kind": source.kind,
        "about": about,
        "notes": [*source.notes, *_unscored(source)],
        "facts": source.facts,
        "numbers": [_number(row) for row in rows if row.unit == "tasks"],
        "rows": [_row(row) for row in rows],
        "concepts": _concepts(source),
    }


def _unscored(source: Source) -> list[str]:
    lacking = len(source.puzzles) - source.scored
    return [f"{lacking} of the tasks have test outputs that are not known; they are not scored."] if lacking else []


def _number(figure: Figure) -> dict[str, Any]:
    return {
        "count": figure.counts[-1],
        "tasks": figure.tasks,
        "share": f"{figure.shares[-1]:.1%}",
        "interval": _range(figure, ATTEMPTS - 1, share=True),
        "what": f"{figure.method} ranking, pass@{ATTEMPTS}, {_BOARDS.get(figure.board, figure.board)}",
    }


def _row(figure: Figure) -> dict[str, Any]:
    cells = [{"count": count, "interval": _range(figure, k)} for k, count in enumerate(figure.counts)]
    method = figure.method if figure.unit == "tasks" else f"{figure.method}, {figure.unit} of {figure.tasks}"
    return {"board": _BOARDS.get(figure.board, figure.board), "method": method, "cells": cells}


def _range(figure: Figure, k: int, share: bool = False) -> str:
    low, high = figure.intervals[k]
    if share:
        return f"{low / max(figure.tasks, 1):.1%} to {high / max(figure.tasks, 1):.1%}"
    return f"{low:.0f} to {high:.0f}"


def _concepts(source: Source) -> list[dict[str, Any]]:
    by_concept: dict[str, list[Puzzle]] = {}
    for puzzle in source.puzzles:
        if puzzle.concept:
            by_concept.setdefault(puzzle.concept, []).append(puzzle)
    return [
        {
            "name": name,
            "tasks": len(puzzles),
            "scored": sum(puzzle.is_scored for puzzle in puzzles),
            "solved": sum(bool(source.results[one.id].needed(HEADLINE)) for one in puzzles if one.id in source.results),
        }
        for name, puzzles in sorted(by_concept.items())
    ]


def _pairs(sources: Sequence[Source], cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """How many tasks each two sources solve, or only one of them."""
    for b in range(1, len(sources)):
        for a in range(b):
            both = [case for case in cases if case.has[a] and case.has[b] and case.puzzle.is_scored]
            marks = [tuple(_solves(case, number) for number in (a, b)) for case in both]
            yield {
                "a": a,
                "b": b,
                "first": sources[a].name,
                "second": sources[b].name,
                "tasks": len(both),
                "both": marks.count((True, True)),
                "only_first": marks.count((True, False)),
                "only_second": marks.count((False, True)),
                "neither": marks.count((False, False)),
            }


def _solves(case: Case, number: int) -> bool:
    result = case.results[number]
    return result is not None and bool(result.needed(HEADLINE))


def _groups(sources: Sequence[Source], profiles: Sequence[Source]) -> list[dict[str, Any]]:
    """Plots under their headings, those without plots left out."""
    runs = [source for source in sources if source.kind == "run"]
    searches = [source for source in sources if source.kind == "search"]
    together = [*run_plots(runs), *search_plots(searches)]
    apart = [(source.name, [*lesson_plots(source), *analysis_plots(source)]) for source in sources]
    if len(apart) == 1:
        together, apart = together + apart[0][1], []
    profiled = "Profile" if len(profiles) == 1 else "Profiles side by side"
    groups = [("", together), *apart, (profiled, list(profile_plots(profiles)))]
    return [{"title": title, "figures": [_figure(plot) for plot in plots]} for title, plots in groups if plots]


def _figure(plot: Plot) -> dict[str, Any]:
    return {
        "title": plot.title, "text": plot.text, "svg": Markup(plot.svg), "columns": plot.columns, "rows": plot.rows,
    }  # fmt: skip
