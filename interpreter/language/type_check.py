"""Declared types of programs: what a name is declared as, and which arguments cannot fit.

Types are the table's declarations, and a place takes whatever overlaps with its type. They are coarse: a program
without type errors may fail when it runs, and Python's luck lets some with errors give a grid. Nothing here runs or
refuses programs; mutation and the benches ask.
"""

from __future__ import annotations

from interpreter.language.program import Line, Program, is_variable, variable_index
from interpreter.primitives import CONSTANTS, PRIMITIVES, constant_type
from interpreter.primitives.types import Any, Function, Grid, Type, may_be


def name_type(program: Program, name: str) -> Type:
    """The declared type of a name in a program; Any for what a called variable returns."""
    if name == "I":
        return Grid
    if name in CONSTANTS:
        return constant_type(name)
    if name in PRIMITIVES:
        return Function
    return _line_type(program.lines[variable_index(name)])


def is_well_typed(program: Program) -> bool:
    """Whether every argument may be what its place wants, and the output a grid."""
    return not type_errors(program)


def type_errors(program: Program) -> list[str]:
    """What cannot fit, a message for each place, with the line and both types; in order."""
    found = [error for number in range(len(program.lines)) for error in _line_errors(program, number)]
    returns = _line_type(program.lines[-1])
    if not may_be(returns, Grid):
        found.append(f"line {len(program.lines)}: O is declared {returns}, not {Grid}")
    return found


def _line_type(line: Line) -> Type:
    return PRIMITIVES[line.function].returns if line.function in PRIMITIVES else Any


def _line_errors(program: Program, number: int) -> list[str]:
    line = program.lines[number]
    if is_variable(line.function):
        returns = name_type(program, line.function)
        fits = may_be(returns, Function)
        return [] if fits else [f"line {number + 1}: {line.function} is declared {returns} and cannot be called"]
    return [
        f"line {number + 1}: argument {place} of {line.function} is {wanted}, {name} is declared {given}"
        for place, (name, wanted) in enumerate(
            zip(line.arguments, PRIMITIVES[line.function].parameters, strict=True), 1
        )
        if not may_be(given := name_type(program, name), wanted)
    ]
