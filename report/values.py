"""Values of program lines as pictures: what a page or a terminal draws of them.

A picture is JSON, as small as it can be:

    {"g": "012/345"}                 a grid, rows parted by "/"; "?" is a colour outside 0..9
    {"p": "1./.2", "at": [i, j]}     an object: cells of its bounding box, "." where it has none, and the box's corner
    {"x": "#./.#", "at": [i, j]}     indices, likewise
    {"l": [picture, ...], "n": n}    the first of n drawable items of a set or tuple
    {"t": "..."}                     anything else, as text
    {"f": "type_mismatch"}           no value: how the line failed

Each but the last also has "t", its kind in words, for people who do not see it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from interpreter.dropin.trace import Items, Trace
from interpreter.grids import MAX_COLOR, Grid
from interpreter.language.program import Program
from interpreter.primitives import PRIMITIVES
from interpreter.primitives.types import Type
from interpreter.runtime.outcome import Outcome

Picture = dict[str, Any]

MAX_SIDE = 60  # of what is drawn; larger grids and patches are told in words
MAX_ITEMS = 8  # of a set or tuple that are drawn
MAX_TEXT = 120


def grid_text(grid: Grid) -> str:
    """A grid as digits, rows parted by "/"."""
    return "/".join("".join(map(str, row)) for row in grid.tolist())


def pictures(program: Program, trace: Trace) -> list[Picture]:
    """A picture for each line of a program that has a value, and one for the line that failed."""
    drawn = [
        picture(bool(value) if _is_predicate(line.function) and value in (0, 1) else value)
        for line, value in zip(program.lines, trace.values, strict=False)
    ]
    return drawn if trace.outcome is Outcome.OK else [*drawn, {"f": trace.outcome.label}]


def _is_predicate(function: str) -> bool:
    return function in PRIMITIVES and PRIMITIVES[function].returns is Type.BOOLEAN


def picture(value: Any) -> Picture:
    """The picture of a value of `interpreter.dropin.trace`."""
    if isinstance(value, Outcome):
        return {"t": f"a value too large to show ({value.label})"}
    if isinstance(value, Items):
        return _of_set(value)
    if isinstance(value, tuple) and value:
        return _of_grid(value) if _is_grid(value) else _of_tuple(value)
    return {"t": _cut(repr(value) if value != () else "an empty tuple")}


def _is_number(value: Any) -> bool:
    return isinstance(value, int)


def _is_pair(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and all(map(_is_number, value))


def _is_cell(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and _is_number(value[0]) and _is_pair(value[1])


def _is_grid(value: tuple[Any, ...]) -> bool:
    """Whether a tuple is drawn as a grid: one of pairs of coordinates is told in words."""
    if not all(type(row) is tuple and row and len(row) == len(value[0]) for row in value):
        return False
    cells = [cell for row in value for cell in row]
    return all(map(_is_number, cells)) and (len(value[0]) != 2 or all(0 <= cell <= MAX_COLOR for cell in cells))


def _of_grid(rows: tuple[tuple[int, ...], ...]) -> Picture:
    words = f"grid {len(rows)}x{len(rows[0])}"
    if max(len(rows), len(rows[0])) > MAX_SIDE:
        return {"t": f"{words}, too large to draw"}
    return {"g": "/".join("".join(map(_digit, row)) for row in rows), "t": words}


def _digit(color: int) -> str:
    return str(color) if 0 <= color <= MAX_COLOR else "?"


def _of_tuple(value: tuple[Any, ...]) -> Picture:
    if any(isinstance(item, tuple) and not _is_pair(item) and not _is_cell(item) for item in value):
        return _of_items(value, "tuple")
    return {"t": _cut(repr(value))}


def _of_set(items: Items) -> Picture:
    if not items:
        return {"t": "an empty set"}
    if all(map(_is_cell, items)):
        return _of_patch("p", "object", [place for _, place in items], [_digit(color) for color, _ in items])
    if all(map(_is_pair, items)):
        return _of_patch("x", "indices", list(items), ["#"] * len(items))
    if any(isinstance(item, tuple) for item in items):
        return _of_items(items, "set")
    return {"t": _cut("{" + ", ".join(map(repr, items)) + "}")}


def _of_patch(key: str, name: str, places: list[tuple[int, int]], marks: list[str]) -> Picture:
    array = np.array(places)
    (top, left), (bottom, right) = array.min(axis=0).tolist(), array.max(axis=0).tolist()
    cells = "1 cell" if len(places) == 1 else f"{len(places)} cells"
    words = f"{name}, {cells}, at row {top}, column {left}"
    if max(bottom - top, right - left) >= MAX_SIDE:
        return {"t": f"{words}, too large to draw"}
    rows = [["."] * (right - left + 1) for _ in range(bottom - top + 1)]
    for (i, j), mark in zip(places, marks, strict=True):
        rows[i - top][j - left] = mark
    return {key: "/".join(map("".join, rows)), "at": [top, left], "t": words}


def _of_items(items: tuple[Any, ...], name: str) -> Picture:
    drawn = [picture(item) for item in items[:MAX_ITEMS]]
    return {"l": drawn, "n": len(items), "t": f"{name} of {len(items)}"}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
