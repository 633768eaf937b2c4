"""The calls that patterns are made of, and the names that families of them range over."""

from __future__ import annotations

import re
from itertools import product

from interpreter.language.program import Line, Program

Calls = list[str]
"""lines of a program without their variables; c0 and c1 are slots for colours"""

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


class Sketch:
    """Calls as they are written one by one."""

    def __init__(self, *calls: str) -> None:
        self.calls: Calls = list(calls)

    def add(self, *calls: str) -> str:
        """Write calls; the variable of the last one."""
        self.calls += calls
        return f"x{len(self.calls)}"

    def copy(self) -> Sketch:
        """One that begins with the same calls."""
        return Sketch(*self.calls)

    @property
    def free_slot(self) -> str:
        """A slot for a colour that no call has."""
        return "c1" if any("c0" in call for call in self.calls) else "c0"


def program_of(calls: Calls) -> Program:
    """The program of calls, `x1 = ...` in order. Raises `ValueError` where one is no call."""
    lines = []
    for call in calls:
        match = _CALL.fullmatch(call)
        if match is None:
            raise ValueError(f"{call!r} is no call")
        lines.append(Line(match[1], tuple(match[2].split(", "))))
    return Program(tuple(lines))
