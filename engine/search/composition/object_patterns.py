"""Patterns that ask for the objects of a grid: areas, choices, orders, features, rays and moves of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from engine.search.composition.calls import (
    AREAS,
    AROUND,
    DIRECTIONS,
    EXTREMES,
    FILLS,
    MEASURES,
    MIRRORS,
    OBJECTS,
    PARTS,
    PLACES,
    SIZES,
    TRAITS,
    Calls,
)  # fmt: skip


def object_patterns() -> Iterator[Calls]:
    """All of them, some more than once."""
    families = (
        _areas, _chosen, _sorted, _features, _rays, _corner_rays, _surrounded, _connected, _moved, _framed,
    )  # fmt: skip
    for family in families:
        yield from family()


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
    for color in ("ZERO", "c0"):
        yield [f"ofcolor(I, {color})", "rbind(adjacent, x2)", "compose(increment, x3)", "x4"]
        yield ["rbind(toobject, I)", f"rbind(colorcount, {color})", "chain(x3, x2, backdrop)", "compose(positive, x4)",
               "compose(increment, x5)", "x6"]  # fmt: skip
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


def _corner_rays() -> Iterator[Calls]:
    """Lines from the corners of objects, away from them: all four, or those of one corner."""
    corners = (("ulcorner", "NEG_UNITY"), ("lrcorner", "UNITY"), ("urcorner", "UP_RIGHT"), ("llcorner", "DOWN_LEFT"))
    for parts in OBJECTS:
        for corner, direction in corners:
            yield [parts, f"rbind(shoot, {direction})", f"compose(x2, {corner})", "fork(recolor, color, x3)",
                   "mapply(x4, x1)", "underpaint(I, x5)"]  # fmt: skip
        rays = [call for k, (corner, direction) in enumerate(corners)
                for call in (f"rbind(shoot, {direction})", f"compose(x{2 * k + 2}, {corner})")]  # fmt: skip
        both = ["fork(combine, x3, x5)", "fork(combine, x7, x9)", "fork(combine, x10, x11)"]
        yield [parts, *rays, *both, "fork(recolor, color, x12)", "mapply(x13, x1)", "underpaint(I, x14)"]


def _surrounded() -> Iterator[Calls]:
    """Objects in the colour of what is around them, or within them."""
    for parts, around, area in product(OBJECTS, ("outbox", "backdrop"), ("toindices", "backdrop", "delta")):
        for how in ("mostcolor", "leastcolor"):
            yield [parts, "rbind(toobject, I)", f"chain({how}, x2, {around})", f"fork(recolor, x3, {area})",
                   "mapply(x4, x1)", "paint(I, x5)"]  # fmt: skip


def _connected() -> Iterator[Calls]:
    """Lines between the cells of each colour."""
    for kept, paint in product(("merge", "rows", "both"), ("paint", "underpaint")):
        calls = ["fgpartition(I)", "lbind(prapply, connect)", "fork(x2, toindices, toindices)"]
        if kept == "merge":
            calls += ["compose(merge, x3)"]
        elif kept == "rows":
            calls += ["rbind(mfilter, hline)", "compose(x4, x3)"]
        else:
            calls += ["fork(either, vline, hline)", "rbind(mfilter, x4)", "compose(x5, x3)"]
        n = len(calls)
        yield [*calls, f"fork(recolor, color, x{n})", f"mapply(x{n + 1}, x1)", f"{paint}(I, x{n + 2})"]


def _moved() -> Iterator[Calls]:
    """What has a colour moved to what has another, or beside it."""
    yield ["ofcolor(I, c0)", "ofcolor(I, c1)", "gravitate(x1, x2)", "recolor(c0, x1)", "move(I, x4, x3)"]
    for parts in OBJECTS:
        yield [parts, "colorfilter(x1, c0)", "ofcolor(I, c1)", "rbind(gravitate, x3)", "fork(shift, identity, x4)",
               "mapply(x5, x2)", "merge(x2)", "cover(I, x7)", "paint(x8, x6)"]  # fmt: skip


def _framed() -> Iterator[Calls]:
    """Objects cut out with what is around them."""
    for parts, extreme, measure in product(PARTS, EXTREMES, ("size", "leftmost", "uppermost")):
        yield [parts, f"{extreme}(x1, {measure})", "outbox(x2)", "subgrid(x3, I)"]
    for parts, color in product(OBJECTS, ("ZERO", "c0")):
        yield [parts, f"colorfilter(x1, {color})", "argmax(x2, size)", "subgrid(x3, I)"]
        yield [parts, f"colorfilter(x1, {color})", "argmax(x2, size)", "outbox(x3)", "subgrid(x4, I)"]
