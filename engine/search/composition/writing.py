"""Programs of what composition finds. Equal calls are written once, so that what layers share is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.search.composition.macro import COLOR_NAMES
from interpreter.fitting.layers import ALL, ONLY, OWN, Layer
from interpreter.fitting.sheet import NONE
from interpreter.language.program import Line, Program

Name = str
Steps = Sequence[Program]
"""programs, each applied to what the one before it gave, the first to the input"""


class Writer:
    """A program as it grows, line by line."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._names: dict[Line, Name] = {}

    def call(self, function: str, *arguments: Name) -> Name:
        """The variable that holds what a call gives."""
        line = Line(function, arguments)
        if line not in self._names:
            self._lines.append(line)
            self._names[line] = f"x{len(self._lines)}"
        return self._names[line]

    def apply(self, program: Program, value: Name) -> Name:
        """The variable that holds what a program gives for a value."""
        names = {"I": value}
        for number, line in enumerate(program.lines, 1):
            function, *arguments = (names.get(name, name) for name in line.names())
            names[f"x{number}"] = self.call(function, *arguments)
        return names[f"x{len(program.lines)}"]

    def steps(self, steps: Steps) -> Name:
        """The variable that holds what steps give for the input; `I` without any."""
        value = "I"
        for program in steps:
            value = self.apply(program, value)
        return value

    def program(self, value: Name) -> Program:
        """The program that gives a value."""
        if value == "I":
            return Program((Line("identity", ("I",)),))
        return Program(tuple(self._lines[: int(value[1:])])).pruned()


def composition(steps: Steps) -> Program:
    """The program that applies steps."""
    writer = Writer()
    return writer.program(writer.steps(steps))


def color_map(steps: Steps, table: npt.NDArray[np.int8]) -> Program:
    """What steps give, in the colours that the table says."""
    writer = Writer()
    piece = base = writer.steps(steps)
    for color, other in enumerate(table.tolist()):
        if other not in (NONE, color):
            base = writer.call("fill", base, COLOR_NAMES[other], writer.call("ofcolor", piece, COLOR_NAMES[color]))
    return writer.program(base)


def deviations(table: npt.NDArray[np.int8]) -> tuple[int, bool]:
    """How many entries of a table of two pieces are not the colour of one of them; whether that is the second."""
    colors = np.arange(len(table))
    known = table != NONE
    first, second = int((known & (table != colors[:, None])).sum()), int((known & (table != colors)).sum())
    return min(first, second), second < first


def pair_table(one: Steps, other: Steps, table: npt.NDArray[np.int8]) -> Program:
    """The piece of two that is changed less, with the table's colours where it is not right."""
    writer = Writer()
    a, b = writer.steps(one), writer.steps(other)
    if deviations(table)[1]:
        a, b, table = b, a, table.T
    base = a
    for color, row in enumerate(table.tolist()):
        wanted = {other for other in row if other != NONE}
        if wanted and wanted != {color}:
            cells = writer.call("ofcolor", a, COLOR_NAMES[color])
            if len(wanted) == 1:
                base = writer.call("fill", base, COLOR_NAMES[wanted.pop()], cells)
                continue
            for second, want in enumerate(row):
                if want not in (NONE, color):
                    both = writer.call("intersection", cells, writer.call("ofcolor", b, COLOR_NAMES[second]))
                    base = writer.call("fill", base, COLOR_NAMES[want], both)
    return writer.program(base)


def stack(layers: Sequence[Layer], pieces: Mapping[int, Steps], is_whole: bool) -> Program:
    """Layers from the top, each of the piece that it names.

    Where all cells are painted, the lowest can paint all: what of it is wrong is covered.
    """
    writer = Writer()
    names = {layer.piece: writer.steps(pieces[layer.piece]) for layer in layers}
    lowest = layers[-1]
    piece = names[lowest.piece]
    if is_whole and lowest.paint == OWN:
        base, rest = piece, layers[:-1]
    else:
        color = lowest.paint if is_whole else 0
        base = writer.call("canvas", COLOR_NAMES[color], writer.call("shape", piece))
        rest = layers[:-1] if is_whole else layers
    for layer in reversed(rest):
        base = _painted(writer, base, layer, names[layer.piece])
    return writer.program(base)


def _painted(writer: Writer, base: Name, layer: Layer, piece: Name) -> Name:
    if layer.form == ALL:
        return piece
    cells = writer.call("ofcolor", piece, COLOR_NAMES[layer.color])
    if layer.paint == OWN:
        without = writer.call("toobject", cells, piece)
        return writer.call("paint", base, writer.call("difference", writer.call("asobject", piece), without))
    if layer.form != ONLY:
        cells = writer.call("difference", writer.call("asindices", piece), cells)
    return writer.call("fill", base, COLOR_NAMES[layer.paint], cells)
