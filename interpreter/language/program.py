"""Programs as text: parsing with good errors, and the canonical form.

A program is one call a line, `x1 = objects(I, T, F, F)`, `x2 = ...`, ending in `O = ...`. Arguments are
positional: `I`, an earlier variable, a constant or a primitive. What is called is a primitive or a variable
that holds a function. Programs are data; nothing here evaluates them.

Canonical text numbers the variables x1, x2, ... in order, has single spaces, and no line that `O` does not
need. It is what is stored, deduplicated, ranked and tokenised.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout

_LINE = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*\(([^()]*)\)\s*")
_VARIABLE = re.compile(r"x[1-9]\d*")


class ProgramError(ValueError):
    """A text that is no program of the language; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True)
class Line:
    """One call: the name of a primitive or variable, and the names of its arguments."""

    function: str
    arguments: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        return (self.function, *self.arguments)


@dataclass(frozen=True)
class Program:
    """A program in which line k defines x{k + 1}, and the last line defines `O`."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        targets = [f"x{k}" for k in range(1, len(self.lines))] + ["O"]
        calls = (f"{line.function}({', '.join(line.arguments)})" for line in self.lines)
        return "\n".join(f"{target} = {call}" for target, call in zip(targets, calls, strict=True))

    def pruned(self) -> Program:
        """The same program without the lines that `O` does not need."""
        needed = {len(self.lines) - 1}
        for k in reversed(range(len(self.lines))):
            if k in needed:
                needed.update(variable_index(name) for name in self.lines[k].names() if is_variable(name))
        if len(needed) == len(self.lines):
            return self
        kept = sorted(needed)
        names = {f"x{old + 1}": f"x{new + 1}" for new, old in enumerate(kept)}
        return Program(tuple(_renamed(self.lines[k], names) for k in kept))


def is_variable(name: str) -> bool:
    """Whether `name` is x1, x2, ..."""
    return _VARIABLE.fullmatch(name) is not None


def variable_index(name: str) -> int:
    """The index of the line that defines a variable: 0 for x1."""
    return int(name[1:]) - 1


def _renamed(line: Line, names: dict[str, str]) -> Line:
    return Line(names.get(line.function, line.function), tuple(names.get(a, a) for a in line.arguments))


def parse(text: str) -> Program:
    """The program that `text` is, variables renumbered in order of definition, unneeded lines kept.

    Raises `ProgramError` with the line and what would be right.
    """
    lines: list[Line] = []
    names: dict[str, str] = {}
    rows = [(number, row) for number, row in enumerate(text.split("\n"), 1) if row.strip()]
    if not rows:
        raise ProgramError(1, "an empty program (the last line must be `O = ...`)")
    in_order = True  # the variables so far are x1, x2, ...
    for number, row in rows:
        call = _split(row)
        if call is None:
            raise ProgramError(number, f"expected `name = function(argument, ...)`, not {row.strip()!r}")
        target, line = call
        _check_call(number, line.function, line.arguments, names)
        lines.append(line if in_order else _renamed(line, names))
        _check_target(number, target, names, is_last=number == rows[-1][0])
        names[target] = f"x{len(lines)}"
        in_order = in_order and target == names[target]
    return Program(tuple(lines))


@lru_cache(maxsize=1 << 16)
def _split(row: str) -> tuple[str, Line] | None:
    """Target and call of a row, whatever their names; None if it is none. Programs of one task share many rows."""
    match = _LINE.fullmatch(row)
    if match is None:
        return None
    target, function, inside = match.groups()
    arguments = tuple(argument.strip() for argument in inside.split(",")) if inside.strip() else ()
    return target, Line(function, arguments)


def canonical(text: str) -> str:
    """The canonical text of a program. Raises `ProgramError`."""
    return parse(text).pruned().text


def check(program: Program) -> None:
    """Raise `ProgramError` unless every name is known where it is used and every arity fits."""
    names: dict[str, str] = {}
    for number, line in enumerate(program.lines, 1):
        _check_call(number, line.function, line.arguments, names)
        if number < len(program.lines):
            _check_target(number, f"x{number}", names, is_last=False)
        names[f"x{number}"] = f"x{number}"


def _check_call(number: int, function: str, arguments: tuple[str, ...], names: dict[str, str]) -> None:
    if function in PRIMITIVES:
        arity = PRIMITIVES[function].arity
        if len(arguments) != arity:
            plural = "argument" if arity == 1 else "arguments"
            raise ProgramError(number, f"{function} takes {arity} {plural}, not {len(arguments)}")
    elif function not in names:
        raise ProgramError(number, f"unknown function {function!r}{_suggestion(function, [*PRIMITIVES, *names])}")
    elif not 1 <= len(arguments) <= layout.MAX_ARITY:
        raise ProgramError(number, f"a variable is called with 1 to {layout.MAX_ARITY} arguments, not {len(arguments)}")
    for argument in arguments:
        if argument != "I" and argument not in names and argument not in CONSTANTS and argument not in PRIMITIVES:
            known = ["I", *names, *CONSTANTS, *PRIMITIVES]
            raise ProgramError(number, f"unknown name {argument!r}{_suggestion(argument, known)}")


def _check_target(number: int, target: str, names: dict[str, str], is_last: bool) -> None:
    if is_last:
        if target != "O":
            raise ProgramError(number, f"the last line must define `O`, not {target!r}")
    elif not is_variable(target):
        raise ProgramError(number, f"a line defines x1, x2, ... (or `O` at the end), not {target!r}")
    elif target in names:
        raise ProgramError(number, f"{target} is defined twice")
    elif len(names) >= layout.MAX_VARIABLES:
        raise ProgramError(number, f"more than {layout.MAX_VARIABLES} variables")


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
