"""Macros that are there from the start: what grids, objects and places can be asked for with a few calls.

They are families of calls over all options, written with general knowledge of the language and of grid puzzles. A
pattern is its calls, `x1 = ...` in order; c0 and c1 are slots for colours. Those of objects, and of what moves, have
files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product

from engine.search.composition.calls import (
    DIRECTIONS,
    EXTREMES,
    FACTORS,
    HALVES,
    MIRRORS,
    OBJECTS,
    TURNS,
    Calls,
    program_of,
)  # fmt: skip
from engine.search.composition.moved_patterns import moved_patterns
from engine.search.composition.object_patterns import object_patterns
from interpreter.language.program import Program


def patterns() -> Iterator[Program]:
    """All patterns, each once."""
    families = (
        _grids, _tiles, _counted, _colors, _shifts, _shifted_far, _marks, _mirrored, _grown, _periodic, _fallen,
        _between_lines, object_patterns, moved_patterns,
    )  # fmt: skip
    for calls in dict.fromkeys(tuple(calls) for calls in chain.from_iterable(family() for family in families)):
        yield program_of(list(calls))


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


def _counted() -> Iterator[Calls]:
    """Sizes and orders that are counted: colours by how often they are, the grid enlarged by how much there is."""
    for background in (True, False):
        calls = ["palette(I)", *([] if background else ["remove(ZERO, x1)"])]
        n = len(calls)
        yield [*calls, "lbind(colorcount, I)", f"order(x{n}, x{n + 1})", "rbind(canvas, UNITY)",
               f"apply(x{n + 3}, x{n + 2})", f"merge(x{n + 4})"]  # fmt: skip
        for enlarge in ("upscale", "hupscale", "vupscale"):
            yield [*calls, f"size(x{n})", f"{enlarge}(I, x{n + 1})"]
    for color, enlarge in product(("ZERO", "c0"), ("upscale", "hupscale", "vupscale")):
        yield [f"colorcount(I, {color})", f"{enlarge}(I, x1)"]
    for parts, enlarge in product(OBJECTS, ("upscale", "hupscale", "vupscale")):
        yield [parts, "size(x1)", f"{enlarge}(I, x2)"]
    for parts, concat in product(OBJECTS, (False, True)):  # as many cells beside each other as there are objects
        calls = [parts, "size(x1)", "astuple(ONE, x2)", "mostcolor(I)", "leastcolor(I)"]
        yield [*calls, f"canvas({'x4' if concat else 'x5'}, x3)"]


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


def _shifted_far() -> Iterator[Calls]:
    """The grid further away, on a ground of one colour: what repeats covers what is missing."""
    for steps, (vector, away) in product(
        ("TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN"), product(("toivec", "tojvec"), (False, True))
    ):
        turn = ["invert(x1)"] if away else []
        place = f"x{1 + len(turn)}"
        for color in ("ZERO", "c0"):
            calls = [f"{vector}({steps})", *turn, "shape(I)", f"canvas({color}, x{2 + len(turn)})", "asobject(I)"]
            n = len(calls)
            yield [*calls, f"shift(x{n}, {place})", f"paint(x{n - 1}, x{n + 1})"]


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


def _mirrored() -> Iterator[Calls]:
    """The grid with what is in its mirror images, but for a colour; objects mirrored where they are."""
    for image, color in product((*MIRRORS, *TURNS), ("ZERO", "c0")):
        yield [f"{image}(I)", "asobject(x1)", f"matcher(first, {color})", "compose(flip, x3)", "sfilter(x2, x4)",
               "paint(I, x5)"]  # fmt: skip
    for parts, mirror in product(OBJECTS, MIRRORS):
        yield [parts, f"mapply({mirror}, x1)", "paint(I, x2)"]


def _grown() -> Iterator[Calls]:
    """Cells of a colour one step further, where nothing is."""
    for direction in DIRECTIONS:
        yield ["ofcolor(I, c0)", f"shift(x1, {direction})", "underfill(I, c0, x2)"]
        yield ["objects(I, T, F, T)", "merge(x1)", f"shift(x2, {direction})", "underpaint(I, x3)"]
    for color in ("c0", "ZERO"):  # with a second colour, from where the first is
        other = "c1" if color == "c0" else "c0"
        for direction in DIRECTIONS:
            yield [f"ofcolor(I, {color})", f"shift(x1, {direction})", f"underfill(I, {other}, x2)"]


def _periodic() -> Iterator[Calls]:
    """What is there continued with its period, to the right, down, or both ways."""
    for parts, (period, vector), paint in product(
        ("objects(I, F, T, T)", "objects(I, T, T, T)", "objects(I, F, F, T)", "fgpartition(I)"),
        (("hperiod", "tojvec"), ("vperiod", "toivec")),
        ("paint", "underpaint"),
    ):
        yield [parts, "merge(x1)", f"{period}(x2)", "interval(ZERO, TEN, ONE)", "lbind(multiply, x3)", "apply(x5, x4)",
               f"apply({vector}, x6)", "lbind(shift, x2)", "mapply(x8, x7)", f"{paint}(I, x9)"]  # fmt: skip
    for period, vector, concat in (("hperiod", "tojvec", "hconcat"), ("vperiod", "toivec", "vconcat")):
        yield [
            "asobject(I)", f"{period}(x1)", f"{concat}(I, I)", "interval(ZERO, TEN, ONE)", "lbind(multiply, x2)",
            "apply(x5, x4)", f"apply({vector}, x6)", "lbind(shift, x1)", "mapply(x8, x7)", "paint(x3, x9)",
        ]  # fmt: skip


def _fallen() -> Iterator[Calls]:
    """All cells as far to a side as they go."""
    yield ["rbind(order, positive)", "apply(x1, I)"]
    yield ["matcher(identity, ZERO)", "rbind(order, x1)", "apply(x2, I)"]
    yield ["dmirror(I)", "rbind(order, positive)", "apply(x2, x1)", "dmirror(x3)"]
    yield ["dmirror(I)", "matcher(identity, ZERO)", "rbind(order, x2)", "apply(x3, x1)", "dmirror(x4)"]


def _between_lines() -> Iterator[Calls]:
    """What lies between lines, all on top of each other, in all places."""
    yield [
        "frontiers(I)", "merge(x1)", "shape(I)", "canvas(ONE, x3)", "fill(x4, ZERO, x2)", "objects(x5, T, F, F)",
        "colorfilter(x6, ONE)", "rbind(subgrid, I)", "compose(asobject, x8)", "mapply(x9, x7)", "matcher(first, ZERO)",
        "compose(flip, x11)", "sfilter(x10, x12)", "lbind(shift, x13)", "compose(x14, ulcorner)", "mapply(x15, x7)",
        "paint(I, x16)",
    ]  # fmt: skip
