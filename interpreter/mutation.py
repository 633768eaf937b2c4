"""Mutants of programs: one name replaced by another of the same arity and a type that may fit.

Types are the table's declarations: a replacement is a candidate where the declared types overlap. Whether a
mutant does anything useful is for running it to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from interpreter.primitives import CONSTANTS, PRIMITIVES, constant_type
from interpreter.program import Line, Program, is_variable
from interpreter.type_check import name_type
from interpreter.types import Any, Function, Type, may_be


def mutants(program: Program, generator: np.random.Generator, limit: int, attempts: int) -> Iterator[Program]:
    """Up to `limit` text-distinct mutants of `program`, itself excluded, found in at most `attempts` tries.

    Half are one change away, the others two or three.
    """
    program = program.pruned()
    seen = {program.text}
    for _ in range(attempts):
        if limit == 0:
            return
        mutant = program
        for _ in range(generator.choice([1, 1, 2, 3])):
            mutant = mutate(mutant, generator)
        if mutant.text not in seen:
            seen.add(mutant.text)
            limit -= 1
            yield mutant


def mutate(program: Program, generator: np.random.Generator) -> Program:
    """`program` with one argument or one function replaced, without lines that are no longer needed.

    Returns it unchanged where the place drawn has no replacement.
    """
    number = int(generator.integers(len(program.lines)))
    line = program.lines[number]
    place = int(generator.integers(-1, len(line.arguments)))
    old = line.function if place < 0 else line.arguments[place]
    candidates = [
        name for name in (_functions(program, line) if place < 0 else _arguments(program, number, place)) if name != old
    ]
    if not candidates:
        return program
    new = candidates[int(generator.integers(len(candidates)))]
    if place < 0:
        changed = Line(new, line.arguments)
    else:
        changed = Line(line.function, (*line.arguments[:place], new, *line.arguments[place + 1 :]))
    return Program((*program.lines[:number], changed, *program.lines[number + 1 :])).pruned()


def _functions(program: Program, line: Line) -> list[str]:
    """Primitives that take this line's arguments, and may return what its function returns."""
    if is_variable(line.function):
        return []
    types = tuple(name_type(program, argument) for argument in line.arguments)
    return _takers(types, PRIMITIVES[line.function].returns)


@cache
def _takers(types: tuple[Type, ...], returns: Type) -> list[str]:
    return [
        primitive.name
        for primitive in PRIMITIVES.values()
        if primitive.arity == len(types)
        and may_be(primitive.returns, returns)
        and all(may_be(given, wanted) for given, wanted in zip(types, primitive.parameters, strict=True))
    ]


def _arguments(program: Program, number: int, place: int) -> list[str]:
    """Names that may stand at `place` of line `number`."""
    line = program.lines[number]
    wanted = Any if is_variable(line.function) else PRIMITIVES[line.function].parameters[place]
    variables = [f"x{k}" for k in range(1, number + 1)]
    fitting = [name for name in ("I", *variables) if may_be(name_type(program, name), wanted)]
    return fitting + _immediates(wanted, line.arguments[place] in PRIMITIVES)


@cache
def _immediates(wanted: Type, is_function: bool) -> list[str]:
    """Constants, and primitives where a function is wanted or (in an argument of any type) stood before."""
    constants = [name for name in CONSTANTS if may_be(constant_type(name), wanted)]
    functions = list(PRIMITIVES) if wanted is Function or (wanted is Any and is_function) else []
    return constants + functions
