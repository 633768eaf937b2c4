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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout

CACHED_CHARACTERS = 100  # a longer row is none of a task's many programs; the cache's memory stays bounded
MAX_QUOTED = 80  # characters of a text that a message repeats

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
        kept = self._needed()
        if len(kept) == len(self.lines):
            return self
        names = {f"x{old + 1}": f"x{new + 1}" for new, old in enumerate(kept)}
        return Program(tuple(_renamed(self.lines[k], names) for k in kept))

    def within_limit(self, numbers: Sequence[int] | None = None) -> Program:
        """The program itself, or pruned where it has more variables than the machine.

        Raises `ProgramError` where that is not enough. `numbers` are the lines of the source (default: 1, 2, ...).
        """
        if len(self.lines) <= layout.MAX_VARIABLES + 1:
            return self
        kept = self._needed()
        if len(kept) > layout.MAX_VARIABLES + 1:
            line = kept[layout.MAX_VARIABLES]
            raise ProgramError(numbers[line] if numbers else line + 1, f"more than {layout.MAX_VARIABLES} variables")
        return self.pruned()

    def _needed(self) -> list[int]:
        """The indices of the lines that `O` needs, in order."""
        needed = {len(self.lines) - 1}
        for k in reversed(range(len(self.lines))):
            if k in needed:
                needed.update(variable_index(name) for name in self.lines[k].names() if is_variable(name))
        return sorted(needed)


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

    Those go, too, where the program has more variables than the machine. Raises `ProgramError` with the line and what
    would be right.
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
            raise ProgramError(number, f"expected `name = function(argument, ...)`, not {quoted(row.strip())}")
        target, line = call
        check_call(number, line.function, line.arguments, names)
        lines.append(line if in_order else _renamed(line, names))
        _check_target(number, target, names, is_last=number == rows[-1][0])
        names[target] = f"x{len(lines)}"
        in_order = in_order and target == names[target]
    return Program(tuple(lines)).within_limit([number for number, _ in rows])


def _split(row: str) -> tuple[str, Line] | None:
    """Target and call of a row, whatever their names; None if it is none."""
    short = len(row) <= CACHED_CHARACTERS and row.count(",") < layout.MAX_ARITY
    return _known_split(row) if short else _new_split(row)


def _new_split(row: str) -> tuple[str, Line] | None:
    match = _LINE.fullmatch(row)
    if match is None:
        return None
    target, function, inside = match.groups()
    arguments = tuple(argument.strip() for argument in inside.split(",")) if inside.strip() else ()
    return target, Line(function, arguments)


_known_split = lru_cache(maxsize=1 << 16)(_new_split)  # programs of one task share many rows


def canonical(text: str) -> str:
    """The canonical text of a program. Raises `ProgramError`."""
    return parse(text).pruned().text


def check(program: Program) -> None:
    """Raise `ProgramError` unless every name is known where it is used and every arity fits."""
    names: dict[str, str] = {}
    for number, line in enumerate(program.lines, 1):
        check_call(number, line.function, line.arguments, names)
        if number < len(program.lines):
            _check_target(number, f"x{number}", names, is_last=False)
        names[f"x{number}"] = f"x{number}"


def check_call(number: int, function: str, arguments: tuple[str, ...], names: Mapping[str, str]) -> None:
    """Raise `ProgramError` unless the names of a call are known and its arity fits; `names` are the variables."""
    if function in PRIMITIVES:
        arity = PRIMITIVES[function].arity
        if len(arguments) != arity:
            plural = "argument" if arity == 1 else "arguments"
            raise ProgramError(number, f"{function} takes {arity} {plural}, not {len(arguments)}")
    elif function not in names:
        raise ProgramError(number, f"unknown function {quoted(function)}{suggestion(function, names)}")
    elif not 1 <= len(arguments) <= layout.MAX_ARITY:
        raise ProgramError(number, f"a variable is called with 1 to {layout.MAX_ARITY} arguments, not {len(arguments)}")
    for argument in arguments:
        if argument != "I" and argument not in names and argument not in CONSTANTS and argument not in PRIMITIVES:
            hint = suggestion(argument, ("I", *names), CONSTANTS)
            raise ProgramError(number, f"unknown name {quoted(argument)}{hint}")


def _check_target(number: int, target: str, names: Mapping[str, str], is_last: bool) -> None:
    if is_last:
        if target != "O":
            raise ProgramError(number, f"the last line must define `O`, not {quoted(target)}")
    elif not is_variable(target):
        raise ProgramError(number, f"a line defines x1, x2, ... (or `O` at the end), not {quoted(target)}")
    elif target in names:
        raise ProgramError(number, f"{quoted(target)[1:-1]} is defined twice")


def quoted(text: str) -> str:
    """A text as a message shows it: in quotes, cut where it is long."""
    return repr(text) if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]!r}..."


def suggestion(name: str, *known: Iterable[str]) -> str:
    """What of `known` and the primitives the name may be meant to be, in words; empty where nothing is close."""
    if len(name) > MAX_QUOTED:
        return ""
    names = [each for some in known for each in islice(some, layout.MAX_VARIABLES)]
    close = difflib.get_close_matches(name, [*names, *PRIMITIVES], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
