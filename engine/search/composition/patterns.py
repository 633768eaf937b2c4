"""Macros that are there from the start: what grids, objects and places can be asked for with a few calls.

They are families of calls over all options, written with general knowledge of the language and of grid puzzles. A
pattern is its calls, `x1 = ...` in order; c0 and c1 are slots for colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from interpreter.language.program import Line, Program

MIRRORS = ("hmirror", "vmirror", "dmirror", "cmirror")
TURNS = ("rot90", "rot180", "rot270")
HALVES = ("tophalf", "bottomhalf", "lefthalf", "righthalf")
DIRECTIONS = ("UP", "DOWN", "LEFT", "RIGHT", "UNITY", "NEG_UNITY", "UP_RIGHT", "DOWN_LEFT")
AREAS = ("backdrop", "box", "inbox", "outbox", "delta", "corners")
AROUND = ("neighbors", "dneighbors", "ineighbors")
FACTORS = ("TWO", "THREE", "FOUR", "FIVE")
SIZES = ("ONE", "TWO", "THREE", "FOUR")
FILLS = ("fill", "underfill")
EXTREMES = ("argmax", "argmin")
MEASURES = ("size", "height", "width", "numcolors")
PLACES = ("uppermost", "lowermost", "leftmost", "rightmost")
TRAITS = ("square", "vline", "hline", "portrait")
OBJECTS = tuple(f"objects(I, {a}, {b}, {c})" for a, b, c in product("TF", "TF", "TF"))
PARTS = (*OBJECTS, "partition(I)", "fgpartition(I)", "frontiers(I)")

_CALL = re.compile(r"(\w+)\(([^()]*)\)")
Calls = list[str]


def patterns() -> Iterator[Program]:
    """All patterns, each once."""
    seen = set()
    for family in (_grids, _tiles, _colors, _shifts, _areas, _chosen, _sorted, _marks, _features, _rays, _mirrored):
        for calls in family():
            if tuple(calls) not in seen:
                seen.add(tuple(calls))
                yield _program(calls)


def _program(calls: Calls) -> Program:
    lines = []
    for call in calls:
        match = _CALL.fullmatch(call)
        if match is None:
            raise ValueError(f"{call!r} is no call")
        lines.append(Line(match[1], tuple(match[2].split(", "))))
    return Program(tuple(lines))


def _grids() -> Iterator[Calls]:
    """Grids of the grid: turned, cut, larger and smaller."""
    for function in (*MIRRORS, *TURNS, *HALVES, "trim", "compress"):
        yield [f"{function}(I)"]
    for factor in FACTORS:
        for function in ("upscale", "hupscale", "vupscale", "downscale"):
            yield [f"{function}(I, {factor})"]
        for split in ("hsplit", "vsplit"):
            cut = f"{split}(I, {factor})"
            for choose in ("first(x1)", "last(x1)", "mostcommon(x1)", "leastcommon(x1)"):
                yield [cut, choose]
            for extreme in EXTREMES:
                yield [cut, f"{extreme}(x1, numcolors)"]
                yield [cut, "rbind(colorcount, c0)", f"{extreme}(x1, x2)"]
                yield [cut, "rbind(colorcount, ZERO)", f"{extreme}(x1, x2)"]
    for split in ("hsplit", "vsplit"):
        yield [f"{split}(I, THREE)", "totuple(x1)", "first(x2)", "remove(x3, x2)", "first(x4)"]
    for corner in ("TWO_BY_TWO", "THREE_BY_THREE"):
        yield [f"crop(I, ORIGIN, {corner})"]
    yield ["height(I)", "astuple(x1, ONE)", "crop(I, ORIGIN, x2)"]
    yield ["width(I)", "astuple(ONE, x1)", "crop(I, ORIGIN, x2)"]
    for color in ("ZERO", "c0"):
        yield ["shape(I)", f"canvas({color}, x1)"]
    for color in ("mostcolor", "leastcolor"):
        yield [f"{color}(I)", "shape(I)", "canvas(x1, x2)"]
        yield [f"{color}(I)", "canvas(x1, UNITY)"]


def _tiles() -> Iterator[Calls]:
    """The grid and its mirror images beside each other."""
    for concat in ("hconcat", "vconcat"):
        yield [f"{concat}(I, I)"]
        yield [f"{concat}(I, I)", f"{concat}(x1, I)"]
        for image in ("hmirror", "vmirror", "rot180", "dmirror"):
            yield [f"{image}(I)", f"{concat}(I, x1)"]
            yield [f"{image}(I)", f"{concat}(x1, I)"]
            yield [f"{image}(I)", f"{concat}(I, x1)", f"{concat}(x2, I)"]
            yield [f"{image}(I)", f"{concat}(x1, I)", f"{concat}(x2, x1)"]
    yield ["hconcat(I, I)", "vconcat(x1, x1)"]
    yield ["hconcat(I, I)", "hconcat(x1, I)", "vconcat(x2, x2)", "vconcat(x3, x2)"]
    for across in ("hconcat(I, x1)", "hconcat(x1, I)"):
        for down in ("vconcat(x2, x3)", "vconcat(x3, x2)"):
            yield ["vmirror(I)", across, "hmirror(x2)", down]
    yield ["rot90(I)", "rot180(I)", "rot270(I)", "hconcat(I, x1)", "hconcat(x3, x2)", "vconcat(x4, x5)"]
    yield ["shape(I)", "canvas(ZERO, x1)", "hconcat(I, x2)", "hconcat(x2, I)", "vconcat(x3, x4)"]
    for over in ("cellwise(I, x2, ZERO)", "cellwise(x2, I, ZERO)"):
        for image in ("hupscale(I, THREE)", "hupscale(I, TWO)"):
            yield [image, "vupscale(x1, THREE)" if "THREE" in image else "vupscale(x1, TWO)", over]


def _colors() -> Iterator[Calls]:
    """Colours for others."""
    for one, other in (("ZERO", "c0"), ("c0", "ZERO"), ("c0", "c1")):
        yield [f"replace(I, {one}, {other})"]
    yield ["switch(I, c0, c1)"]
    for color in ("leastcolor", "mostcolor"):
        for other in ("ZERO", "c0"):
            yield [f"{color}(I)", f"replace(I, x1, {other})"]
    yield ["leastcolor(I)", "mostcolor(I)", "switch(I, x1, x2)"]
    for color in ("c0", "ZERO"):
        yield [f"ofcolor(I, {color})", "shape(I)", "canvas(ZERO, x2)", "fill(x3, c0, x1)"]
    yield ["asobject(I)", "matcher(first, ZERO)", "compose(flip, x2)", "sfilter(x1, x3)", "fill(I, c0, x4)"]
    yield ["palette(I)", "order(x1, identity)", "last(x2)", "canvas(x3, UNITY)"]
    yield ["leastcolor(I)", "ofcolor(I, x1)", "subgrid(x2, I)"]
    for color in ("leastcolor(I)", "mostcolor(I)"):
        for area in ("backdrop", "box", "outbox", "inbox", "delta"):
            yield [color, "ofcolor(I, x1)", f"{area}(x2)", "fill(I, c0, x3)"]


def _shifts() -> Iterator[Calls]:
    for direction in DIRECTIONS:
        yield ["shape(I)", "canvas(ZERO, x1)", "asobject(I)", f"shift(x3, {direction})", "paint(x2, x4)"]
    for parts, direction in product(OBJECTS, DIRECTIONS[:4]):
        yield [parts, "merge(x1)", "cover(I, x2)", f"shift(x2, {direction})", "paint(x3, x4)"]
    for parts in OBJECTS:
        yield [parts, "merge(x1)", "ulcorner(x2)", "invert(x3)", "move(I, x2, x4)"]


def _areas() -> Iterator[Calls]:
    """Areas of objects, of colours and of places, in a colour."""
    for parts, area, color, fill in product(PARTS, AREAS, ("c0", "ZERO"), FILLS):
        yield [parts, f"mapply({area}, x1)", f"{fill}(I, {color}, x2)"]
    for parts in PARTS:
        yield [parts, "merge(x1)", "fill(I, c0, x2)"]
        yield [parts, "merge(x1)", "cover(I, x2)"]
        yield [parts, "merge(x1)", "subgrid(x2, I)"]
        for trait in TRAITS:
            yield [parts, f"mfilter(x1, {trait})", "fill(I, c0, x2)"]
            yield [parts, f"extract(x1, {trait})", "subgrid(x2, I)"]
        for flip in ([], ["compose(flip, x2)"]):
            kept = f"mfilter(x1, x{2 + len(flip)})"
            yield [parts, "rbind(bordering, I)", *flip, kept, f"fill(I, c0, x{3 + len(flip)})"]
            yield [parts, "rbind(bordering, I)", *flip, kept, f"cover(I, x{3 + len(flip)})"]
        yield [
            parts, "colorfilter(x1, ZERO)", "rbind(bordering, I)", "compose(flip, x3)", "mfilter(x2, x4)",
            "fill(I, c0, x5)",
        ]  # fmt: skip
        for size in SIZES:
            for use in ("fill(I, c0, x3)", "cover(I, x3)"):
                yield [parts, f"sizefilter(x1, {size})", "merge(x2)", use]
        for extreme in ("valmax", "valmin"):
            yield [parts, f"{extreme}(x1, size)", "sizefilter(x1, x2)", "merge(x3)", "fill(I, c0, x4)"]
        for how in ("color", "mostcolor", "leastcolor"):
            for area in ("backdrop", "box", "inbox", "outbox", "delta", "toindices"):
                yield [parts, f"fork(recolor, {how}, {area})", "mapply(x2, x1)", "paint(I, x3)"]
    for color in ("c0", "ZERO"):
        cells, other = f"ofcolor(I, {color})", "c1" if color == "c0" else "c0"
        yield [cells, "subgrid(x1, I)"]
        for area in AREAS:
            yield [cells, f"{area}(x1)", f"fill(I, {other}, x2)"]
            yield [cells, f"{area}(x1)", "subgrid(x2, I)"]
        for around, fill in product((*AROUND, "hfrontier", "vfrontier"), FILLS):
            yield [cells, f"mapply({around}, x1)", f"{fill}(I, c0, x2)"]
        for around in (*AROUND, "hfrontier", "vfrontier"):
            yield [cells, f"mapply({around}, x1)", f"underfill(I, {other}, x2)"]
        for line, fill in product(("vline", "hline"), FILLS):
            yield [cells, "prapply(connect, x1, x1)", f"mfilter(x2, {line})", f"{fill}(I, c0, x3)"]
        for fill in FILLS:
            yield [cells, "prapply(connect, x1, x1)", "fork(either, vline, hline)", "mfilter(x2, x3)",
                   f"{fill}(I, c0, x4)"]  # fmt: skip


def _chosen() -> Iterator[Calls]:
    """One object, or one part, by what is largest or rarest in it: cut out, covered, alone."""
    for parts, extreme in product(PARTS, EXTREMES):
        for measure in (*MEASURES, *PLACES):
            choose = f"{extreme}(x1, {measure})"
            yield [parts, choose, "subgrid(x2, I)"]
            if measure in ("size", *PLACES):
                yield [parts, choose, "cover(I, x2)"]
                yield [parts, choose, "fill(I, c0, x2)"]
                yield [parts, choose, "shape(I)", "canvas(ZERO, x3)", "paint(x4, x2)"]
        yield [parts, f"{extreme}(x1, size)", "color(x2)", "canvas(x3, UNITY)"]
        yield [parts, f"{extreme}(x1, size)", "delta(x2)", "subgrid(x3, I)"]
        for color in ("c0", "ZERO"):
            yield [parts, f"rbind(colorcount, {color})", f"{extreme}(x1, x2)", "subgrid(x3, I)"]
        cut = [parts, "totuple(x1)", "rbind(subgrid, I)", "apply(x3, x2)"]
        yield [*cut, f"{extreme}(x4, numcolors)"]
        for color in ("c0", "ZERO"):
            yield [*cut, f"rbind(colorcount, {color})", f"{extreme}(x4, x5)"]
    for parts, common in product(PARTS, ("mostcommon", "leastcommon")):
        yield [parts, "totuple(x1)", "rbind(subgrid, I)", "apply(x3, x2)", f"{common}(x4)"]
        yield [parts, "totuple(x1)", "apply(color, x2)", f"{common}(x3)", "colorfilter(x1, x4)", "merge(x5)",
               "subgrid(x6, I)"]  # fmt: skip
        yield [parts, "totuple(x1)", "apply(normalize, x2)", f"{common}(x3)", "shape(x4)", "canvas(ZERO, x5)",
               "paint(x6, x4)"]  # fmt: skip
    for parts, mirror in product(PARTS, MIRRORS):
        for flip in ([], ["compose(flip, x5)"]):
            yield [parts, "rbind(subgrid, I)", "apply(x2, x1)", f"fork(equality, {mirror}, identity)",
                   *(["compose(flip, x4)"] if flip else []), f"extract(x3, x{5 if flip else 4})"]  # fmt: skip


def _sorted() -> Iterator[Calls]:
    """All objects beside each other, in an order."""
    for parts in PARTS:
        for measure in ("leftmost", "uppermost", "size"):
            yield [parts, f"order(x1, {measure})", "rbind(subgrid, I)", "apply(x3, x2)", "merge(x4)"]
        yield [parts, "order(x1, size)", "apply(color, x2)", "rbind(canvas, UNITY)", "apply(x4, x3)", "merge(x5)"]


def _marks() -> Iterator[Calls]:
    """Places of the grid itself."""
    empty = ("shape(I)", "canvas(ZERO, x{})", "fill(x{}, ONE, x{})")

    def marked(calls: Calls) -> Calls:
        n = len(calls)
        return [*calls, empty[0], empty[1].format(n + 1), empty[2].format(n + 2, n)]

    for test in (
        ["compose(even, first)"], ["compose(even, last)"], ["fork(add, first, last)", "compose(even, x2)"],
        ["fork(equality, first, last)"],
    ):  # fmt: skip
        yield marked(["asindices(I)", *test, f"sfilter(x1, x{1 + len(test)})"])
    for area in ("box", "corners", "inbox"):
        yield marked(["asindices(I)", f"{area}(x1)"])


def _features() -> Iterator[Calls]:
    """Each object in a colour that says what it is: a map, or a layer, makes of it what the task wants."""
    for parts in OBJECTS:
        for calls in _feature_calls():
            n = 1 + len(calls) - 1
            last = calls[-1]
            yield [
                parts, *calls[:-1], f"fork(recolor, {last}, identity)", f"mapply(x{n + 1}, x1)", "shape(I)",
                f"canvas(ZERO, x{n + 3})", f"paint(x{n + 4}, x{n + 2})",
            ]  # fmt: skip


def _feature_calls() -> Iterator[Calls]:
    """Functions of an object, the calls that make them and then their name; 1 and 2 for what is false and true."""
    for measure in MEASURES:
        yield [measure]
        for extreme in ("valmax", "valmin"):
            yield [f"{extreme}(x1, {measure})", f"matcher({measure}, x2)", "compose(increment, x3)", "x4"]
    for place, extreme in product(PLACES, ("valmax", "valmin")):
        if (extreme == "valmin") == (place in ("uppermost", "leftmost")):
            yield [f"{extreme}(x1, {place})", f"matcher({place}, x2)", "compose(increment, x3)", "x4"]
    for trait in TRAITS:
        yield [f"compose(increment, {trait})", "x2"]
    yield ["rbind(bordering, I)", "compose(increment, x2)", "x3"]
    for size in (*SIZES, "SIX"):
        yield [f"rbind(greater, {size})", "chain(increment, x2, size)", "x3"]
    yield ["chain(increment, even, size)", "x2"]
    yield ["chain(increment, size, delta)", "x2"]
    yield ["compose(size, delta)", "chain(increment, positive, x2)", "x3"]
    yield ["rbind(subgrid, I)", "compose(numcolors, x2)", "x3"]
    for common in ("mostcommon", "leastcommon"):
        yield ["totuple(x1)", "compose(toindices, normalize)", "apply(x3, x2)", f"{common}(x4)", "matcher(x3, x5)",
               "compose(increment, x6)", "x7"]  # fmt: skip
        yield ["totuple(x1)", "apply(size, x2)", f"{common}(x3)", "matcher(size, x4)", "compose(increment, x5)",
               "x6"]  # fmt: skip
    for mirror in ("hmirror", "vmirror", "dmirror"):
        yield [f"compose({mirror}, normalize)", "compose(normalize, x2)", "fork(equality, normalize, x3)",
               "compose(increment, x4)", "x5"]  # fmt: skip


def _rays() -> Iterator[Calls]:
    """Lines from single cells, in a colour or in their own."""
    for color, direction, fill in product(("c0", "ZERO"), DIRECTIONS, FILLS):
        yield [f"ofcolor(I, {color})", f"rbind(shoot, {direction})", "mapply(x2, x1)", f"{fill}(I, c0, x3)"]
    for direction in DIRECTIONS:
        yield [
            "objects(I, T, F, T)", f"rbind(shoot, {direction})", "compose(x2, center)", "fork(recolor, color, x3)",
            "mapply(x4, x1)", "underpaint(I, x5)",
        ]  # fmt: skip
    for around, paint in product((*AROUND, "hfrontier", "vfrontier"), ("paint", "underpaint")):
        yield ["objects(I, T, F, T)", f"compose({around}, center)", "fork(recolor, color, x2)", "mapply(x3, x1)",
               f"{paint}(I, x4)"]  # fmt: skip


def _mirrored() -> Iterator[Calls]:
    """The grid with what is in its mirror images, but for a colour; objects mirrored where they are."""
    for image, color in product((*MIRRORS, *TURNS), ("ZERO", "c0")):
        yield [f"{image}(I)", "asobject(x1)", f"matcher(first, {color})", "compose(flip, x3)", "sfilter(x2, x4)",
               "paint(I, x5)"]  # fmt: skip
    for parts, mirror in product(OBJECTS, MIRRORS):
        yield [parts, f"mapply({mirror}, x1)", "paint(I, x2)"]
