"""Patterns of what is somewhere else in the output: objects stamped on places, moved, repeated, gathered, found again.

Half of the training tasks that other patterns do not solve have a solver that shifts something.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from engine.search.composition.calls import DIRECTIONS, OBJECTS, Calls, Sketch

PAINTS = ("paint", "underpaint")
SOME_OBJECTS = ("objects(I, F, F, T)", "objects(I, F, T, T)", "objects(I, T, F, T)", "objects(I, T, T, T)",
                "fgpartition(I)")  # fmt: skip
LARGEST, SMALLEST = "argmax(x1, size)", "argmin(x1, size)"
SIDES = {"uppermost": "toivec", "lowermost": "toivec", "leftmost": "tojvec", "rightmost": "tojvec"}


def moved_patterns() -> Iterator[Calls]:
    """All of them."""
    for family in (_stamped, _corners_stamped, _moved, _repeated, _gathered, _within, _found):
        yield from family()


def _stamped() -> Iterator[Calls]:
    """One object on cells of a colour, or where the others are, by its corner or by its centre."""
    choices = (LARGEST, SMALLEST, "argmax(x1, numcolors)", "argmin(x1, numcolors)", "colorfilter(x1, c0)")
    places = (("cells", "corner"), ("cells", "center"), ("ulcorner", "corner"), ("center", "center"))
    for parts, choice, (place, hold), paint in product(SOME_OBJECTS, choices, places, PAINTS):
        sketch = Sketch(parts, choice)
        stamp = "x2"
        if choice.startswith("colorfilter"):
            stamp = sketch.add("first(x2)")
        if place == "cells":
            where = sketch.add(f"ofcolor(I, {sketch.free_slot})")
        else:
            others = sketch.add(f"remove({stamp}, x1)")
            where = sketch.add(f"apply({place}, {others})")
        if hold == "center":
            middle = sketch.add(f"center({stamp})")
            back = sketch.add(f"invert({middle})")
            held = sketch.add(f"shift({stamp}, {back})")
        else:
            held = sketch.add(f"normalize({stamp})")
        shifted = sketch.add(f"lbind(shift, {held})")
        stamped = sketch.add(f"mapply({shifted}, {where})")
        sketch.add(f"{paint}(I, {stamped})")
        yield sketch.calls


def _corners_stamped() -> Iterator[Calls]:
    """The grid's upper left corner on the cells of a colour."""
    for size in ("TWO_BY_TWO", "THREE_BY_THREE"):
        calls = ["ofcolor(I, c0)", f"crop(I, ORIGIN, {size})", "asobject(x2)", "lbind(shift, x3)"]
        yield [*calls, "mapply(x4, x1)", "paint(I, x5)"]
        yield [*calls, "compose(x4, decrement)", "mapply(x5, x1)", "paint(I, x6)"]


def _moved() -> Iterator[Calls]:
    """Objects, all or some of them, each by a vector of its own; where they were stays, or becomes background."""
    for parts, some in product(OBJECTS, ("all", "of a color", "single", "not the largest")):
        for sketch, vector in _vectors(Sketch(parts)):
            if some == "of a color":
                which = sketch.add(f"colorfilter(x1, {sketch.free_slot})")
            elif some == "single":
                which = sketch.add("sizefilter(x1, ONE)")
            elif some == "not the largest":
                which = sketch.add(f"remove({sketch.add(LARGEST)}, x1)")
            else:
                which = "x1"
            moving = sketch.add(f"fork(shift, identity, {vector})")
            moved = sketch.add(f"mapply({moving}, {which})")
            yield [*sketch.calls, f"paint(I, {moved})"]
            before = sketch.add(f"merge({which})")
            ground = sketch.add(f"cover(I, {before})")
            yield [*sketch.calls, f"paint({ground}, {moved})"]


def _vectors(begun: Sketch) -> Iterator[tuple[Sketch, str]]:
    """Functions that say where an object of x1 moves: the sketch with them, and their name."""
    for target, beyond in product(("ofcolor(I, c0)", LARGEST), (False, True)):
        sketch = begun.copy()
        vector = sketch.add(f"rbind(gravitate, {sketch.add(target)})")
        yield sketch, sketch.add(f"compose(crement, {vector})") if beyond else vector
    for (side, direction), target in product(SIDES.items(), ("ofcolor(I, c0)", LARGEST, SMALLEST)):
        sketch = begun.copy()
        place = sketch.add(f"{side}({sketch.add(target)})")
        far = sketch.add(f"lbind(subtract, {place})")
        yield sketch, sketch.add(f"chain({direction}, {far}, {side})")
    for side, direction in (("uppermost", "toivec"), ("leftmost", "tojvec")):
        sketch = begun.copy()
        yield sketch, sketch.add(f"chain({direction}, invert, {side})")
    for side, direction, extent in (("lowermost", "toivec", "height"), ("rightmost", "tojvec", "width")):
        sketch = begun.copy()
        edge = sketch.add(f"decrement({sketch.add(f'{extent}(I)')})")
        far = sketch.add(f"lbind(subtract, {edge})")
        yield sketch, sketch.add(f"chain({direction}, {far}, {side})")
    for measure, direction in (("height", "toivec"), ("width", "tojvec"), ("size", "toivec"), ("size", "tojvec")):
        for vector in (f"compose({direction}, {measure})", f"chain({direction}, invert, {measure})"):
            sketch = begun.copy()
            yield sketch, sketch.add(vector)


def _repeated() -> Iterator[Calls]:
    """All that is there, or one object, again and again in one direction or in all, by its size, one more or less."""
    parts = ("objects(I, F, F, T)", "objects(I, F, T, T)", "objects(I, T, T, T)", "fgpartition(I)")
    chosen, gaps = ("merge(x1)", LARGEST, SMALLEST), ("", "increment", "decrement")
    for part, choice, gap, direction, paint in product(parts, chosen, gaps, (*DIRECTIONS, "all"), PAINTS):
        sketch = Sketch(part, choice, "shape(x2)")
        step = sketch.add(f"{gap}(x3)") if gap else "x3"
        times = sketch.add("interval(ONE, TEN, ONE)")
        if direction == "all":
            around = sketch.add("neighbors(ORIGIN)")
            scaled = sketch.add(f"lbind(multiply, {step})")
            steps = sketch.add(f"apply({scaled}, {around})")
            offsets = sketch.add(f"prapply(multiply, {steps}, {times})")
        else:
            one = sketch.add(f"multiply({step}, {direction})")
            scaled = sketch.add(f"lbind(multiply, {one})")
            offsets = sketch.add(f"apply({scaled}, {times})")
        shifted = sketch.add("lbind(shift, x2)")
        repeated = sketch.add(f"mapply({shifted}, {offsets})")
        yield [*sketch.calls, f"{paint}(I, {repeated})"]


def _gathered() -> Iterator[Calls]:
    """All objects on top of each other: by their corners, by their centres, or by a colour that they have."""
    for parts in SOME_OBJECTS:
        for ground in (LARGEST, SMALLEST):
            yield [parts, "apply(normalize, x1)", "merge(x2)", ground, "shape(x4)", "canvas(ZERO, x5)", "paint(x6, x3)"]
        yield [parts, "valmax(x1, shape)", "mostcolor(I)", "canvas(x3, x2)", "apply(normalize, x1)",
               "lbind(subtract, x2)", "chain(halve, x6, shape)", "fork(shift, identity, x7)", "mapply(x8, x5)",
               "paint(x4, x9)"]  # fmt: skip
        yield [parts, "matcher(first, c0)", "rbind(sfilter, x2)", "chain(invert, center, x3)",
               "fork(shift, identity, x4)", "canvas(ZERO, THREE_BY_THREE)", "mapply(x5, x1)", "shift(x7, UNITY)",
               "paint(x6, x8)"]  # fmt: skip


def _within() -> Iterator[Calls]:
    """One object within a frame, as it is or as wide as fits."""
    chosen = (SMALLEST, "argmax(x1, numcolors)")
    for parts, choice, frame, place in product(
        SOME_OBJECTS, chosen, ("ofcolor(I, c0)", LARGEST), ("UNITY", "ORIGIN")
    ):  # fmt: skip
        calls = [parts, choice, frame, "subgrid(x3, I)", "normalize(x2)"]
        yield [*calls, f"shift(x5, {place})", "paint(x4, x6)"]
        yield [*calls, "width(x4)", "width(x2)", "divide(x6, x7)", "upscale(x5, x8)", f"shift(x9, {place})",
               "paint(x4, x10)"]  # fmt: skip


def _found() -> Iterator[Calls]:
    """Rectangles of one colour, wherever there are some, filled or framed in another."""
    sides = ("TWO", "THREE", "FOUR", "FIVE")
    for color, height, width in product(("ZERO", "c1"), sides, sides):
        calls = [f"astuple({height}, {width})", f"canvas({color}, x1)", "asobject(x2)", "occurrences(I, x3)",
                 "lbind(shift, x3)"]  # fmt: skip
        yield [*calls, "mapply(x5, x4)", "fill(I, c0, x6)"]
        for area in ("outbox", "box"):
            yield [*calls, f"compose({area}, x5)", "mapply(x6, x4)", "fill(I, c0, x7)"]
