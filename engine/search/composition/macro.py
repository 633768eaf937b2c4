"""Macros: functions from a grid to a grid that stand in programs, with slots for colours.

Of a program whose line k is a grid, the lines that k needs are a macro; and so are those between an earlier grid and k,
if k needs nothing else, with that grid as the input. A colour constant where a primitive takes a colour becomes a slot,
so that functions that differ by colours alone are one; ZERO, mostly the background, stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.language.program import Line, Program, is_variable, variable_index
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import GRID, observed_kinds
from interpreter.primitives import PRIMITIVES

COLOR_NAMES = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
Colors = tuple[int, ...]

_COLORS = {name: color for color, name in enumerate(COLOR_NAMES) if color}
# Which arguments of a primitive are colours.
_COLOR_ARGUMENTS = {
    "fill": {1}, "underfill": {1}, "recolor": {0}, "canvas": {0}, "replace": {1, 2}, "switch": {1, 2}, "ofcolor": {1},
    "colorfilter": {1}, "colorcount": {1}, "cellwise": {2}, "contained": {0}, "initset": {0}, "other": {1},
}  # fmt: skip
_OF_COLOR = {"color", "mostcolor", "leastcolor"}  # what they give is a colour


@dataclass
class Macro:
    """A function of grids. `pattern` has c0, c1, ... where colours go."""

    pattern: Program
    colors: Counter[Colors] = field(default_factory=Counter)
    """what filled the slots, and how often"""
    tasks: set[str] = field(default_factory=set)
    """whose programs it stands in; none for a macro that is there from the start"""

    @property
    def slots(self) -> int:
        return slots(self.pattern)

    def filled(self, colors: Colors) -> Program:
        """The program with these colours."""
        names = {f"c{k}": COLOR_NAMES[color] for k, color in enumerate(colors)}
        return Program(tuple(_renamed(line, names) for line in self.pattern.lines)) if names else self.pattern


def slots(pattern: Program) -> int:
    """The number of colours that a pattern asks for."""
    names = {name for line in pattern.lines for name in line.arguments}
    return sum(f"c{k}" in names for k in range(len(COLOR_NAMES)))


class Miner:
    """Macros of a corpus that grows."""

    def __init__(self) -> None:
        self.macros: dict[str, Macro] = {}
        self._known: set[str] = set()

    def add(self, pattern: Program, colors: Colors = (), task: str | None = None) -> None:
        """Count a macro."""
        macro = self.macros.setdefault(pattern.text, Macro(pattern))
        macro.colors[colors] += 1
        if task is not None:
            macro.tasks.add(task)

    def learn(self, programs: Sequence[tuple[Task, Program]]) -> bool:
        """Count the macros of programs, each of a task, but for those that were mined before; whether there were any.

        Which lines are grids is seen on the first input of the task.
        """
        new = [pair for pair in dict(zip(map(_key, programs), programs, strict=True)).items()
               if pair[0] not in self._known]  # fmt: skip
        if not new:
            return False
        self._known.update(key for key, _ in new)
        symbols = Symbols.pack([program for _, (_, program) in new])
        inputs = TaskGrids.pack([task for _, (task, _) in new])
        kinds = observed_kinds(symbols, inputs.grids, inputs.first).tolist()
        for number, (_, (task, program)) in enumerate(new):
            for part in set(parts(program, kinds[symbols.starts[number] : symbols.starts[number + 1]])):
                self.add(*pattern(part), task.id)
        return True


def _key(pair: tuple[Task, Program]) -> str:
    return f"{pair[0].id} {pair[1].text}"


def parts(program: Program, kinds: Sequence[int]) -> Iterator[Program]:
    """The functions from a grid to a grid that stand in a program whose lines have these kinds."""
    grids = [k for k, kind in enumerate(kinds) if kind == GRID]
    for end in grids:
        lines, needs_input = _cone(program, end, None)
        if needs_input:
            yield _program(program, lines, {})
        for start in grids[: grids.index(end)]:
            lines, needs_input = _cone(program, end, start)
            if start in lines and not needs_input:
                yield _program(program, [k for k in lines if k != start], {f"x{start + 1}": "I"})


def _cone(program: Program, end: int, start: int | None) -> tuple[list[int], bool]:
    """The lines that line `end` needs, `start` as it is, and whether the input is needed beside it."""
    needed, needs_input = {end}, False
    for k in range(end, -1, -1):
        if k in needed and k != start:
            names = program.lines[k].names()
            needs_input |= "I" in names
            needed.update(variable_index(name) for name in names if is_variable(name))
    return sorted(needed), needs_input


def _program(program: Program, lines: Iterable[int], names: dict[str, str]) -> Program:
    lines = list(lines)
    names = names | {f"x{old + 1}": f"x{new + 1}" for new, old in enumerate(lines)}
    return Program(tuple(_renamed(program.lines[k], names) for k in lines))


def _renamed(line: Line, names: Mapping[str, str]) -> Line:
    return Line(names.get(line.function, line.function), tuple(names.get(a, a) for a in line.arguments))


def pattern(program: Program) -> tuple[Program, Colors]:
    """A program with slots for its colours, and these."""
    names: dict[str, str] = {}
    lines = []
    for line in program.lines:
        arguments = list(line.arguments)
        for k in _color_arguments(line):
            if arguments[k] in _COLORS:
                arguments[k] = names.setdefault(arguments[k], f"c{len(names)}")
        lines.append(Line(line.function, tuple(arguments)))
    return Program(tuple(lines)), tuple(_COLORS[name] for name in names)


def _color_arguments(line: Line) -> Iterable[int]:
    """The places of a call's arguments that are colours."""
    function, bound = line.function, line.arguments[0] if line.arguments else ""
    taken = _COLOR_ARGUMENTS.get(bound, set())
    if function == "lbind":
        return (1,) if 0 in taken else ()
    if function == "rbind":
        return (1,) if bound in PRIMITIVES and PRIMITIVES[bound].arity - 1 in taken else ()
    if function == "matcher":
        return (1,) if bound in _OF_COLOR else ()
    return _COLOR_ARGUMENTS.get(function, ())
