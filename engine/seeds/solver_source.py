"""Programs as Python functions, the way arc-dsl writes them: read as syntax, never imported and never run.

    def solve_<task>(I):
        x1 = objects(I, T, F, diagonal=T)
        O = fill(I, FOUR, merge(x1))
        return O

Keyword arguments become positional, a call inside a call becomes a line of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from interpreter.language.program import Line, Program, ProgramError, check, is_variable
from interpreter.primitives import PRIMITIVES

# Names of the arguments of a primitive, in order.
Signatures = Mapping[str, tuple[str, ...]]

_NAME = re.compile(r"solve_(\w+)")


class SourceError(ValueError):
    """A text that is no Python source."""


def read_solvers(source: str, signatures: Signatures | None = None) -> Iterator[tuple[str, int, Program | str]]:
    """Task, line and program (or what is wrong with it) of each function `solve_<task>` in a Python source.

    `signatures` are the names that keyword arguments go by; a primitive that it lacks goes by those of
    docs/language.md. Raises `SourceError`.
    """
    signatures = {**_own_signatures(), **(signatures or {})}
    for function in _functions(source):
        if name := _NAME.fullmatch(function.name):
            try:
                yield name[1], function.lineno, _Body(signatures).read(function)
            except ProgramError as error:
                yield name[1], function.lineno, str(error)
            except RecursionError:
                yield name[1], function.lineno, f"line {function.lineno}: calls nested too deeply"


def read_signatures(source: str) -> dict[str, tuple[str, ...]]:
    """The names of the arguments of the primitives that a Python source defines. Raises `SourceError`."""
    functions = [function for function in _functions(source) if function.name in PRIMITIVES]
    return {function.name: tuple(argument.arg for argument in function.args.args) for function in functions}


def _own_signatures() -> dict[str, tuple[str, ...]]:
    return {name: entry.source.__code__.co_varnames[1 : 1 + entry.arity] for name, entry in PRIMITIVES.items()}


def _functions(source: str) -> list[ast.FunctionDef]:
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        raise SourceError(f"line {error.lineno}: not Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"not Python: {error or 'nested too deeply'}") from None
    return [statement for statement in module.body if isinstance(statement, ast.FunctionDef)]


class _Body:
    """The calls in the body of one function, collected as lines of a program.

    Lines of `ProgramError`s are those of the source.
    """

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._names = {"I": "I"}  # of the source -> of the program
        self._lines: list[Line] = []
        self._numbers: list[int] = []  # where each line stands in the source

    def read(self, function: ast.FunctionDef) -> Program:
        """The program of a function."""
        if [argument.arg for argument in function.args.args] != ["I"]:
            raise ProgramError(function.lineno, "a solver takes one argument, `I`")
        *assignments, end = function.body
        if not (isinstance(end, ast.Return) and isinstance(end.value, ast.Name) and end.value.id == "O"):
            raise ProgramError(end.lineno, "the last statement must be `return O`")
        if not assignments:
            raise ProgramError(end.lineno, "an empty program (`O = ...` must come before `return O`)")
        for statement in assignments:
            self._assign(statement, is_last=statement is assignments[-1])
        program = Program(tuple(self._lines))
        try:
            check(program)
        except ProgramError as error:
            message = str(error).removeprefix(f"line {error.line}: ")
            raise ProgramError(self._numbers[error.line - 1], message) from None
        return program

    def _assign(self, statement: ast.stmt, is_last: bool) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call):
                name = self._call(call)
            case _:
                raise ProgramError(statement.lineno, "expected `name = function(argument, ...)`")
        if is_last and target != "O":
            raise ProgramError(statement.lineno, f"the last line must define `O`, not {target!r}")
        if not is_last and not is_variable(target):
            raise ProgramError(statement.lineno, f"a line defines x1, x2, ... (or `O` at the end), not {target!r}")
        if target in self._names:
            raise ProgramError(statement.lineno, f"{target} is defined twice")
        self._names[target] = name

    def _call(self, call: ast.Call) -> str:
        """Add the line of a call, after those of the calls inside it; the name of its result."""
        function = self._value(call.func)
        arguments = tuple(self._value(argument) for argument in self._positional(call, function))
        self._lines.append(Line(function, arguments))
        self._numbers.append(call.lineno)
        return f"x{len(self._lines)}"

    def _value(self, node: ast.expr) -> str:
        if isinstance(node, ast.Call):
            return self._call(node)
        if not isinstance(node, ast.Name):
            raise ProgramError(node.lineno, "an argument is a name or a call, such as `ONE` or `size(x1)`")
        if is_variable(node.id) and node.id not in self._names:
            raise ProgramError(node.lineno, f"unknown name {node.id!r}")
        return self._names.get(node.id, node.id)

    def _positional(self, call: ast.Call, function: str) -> list[ast.expr]:
        """The arguments of a call in order."""
        if not call.keywords:
            return call.args
        if function not in self._signatures:
            raise ProgramError(call.lineno, "only a primitive's arguments have names")
        names = self._signatures[function]
        given = dict(zip(names, call.args, strict=False))
        for keyword in call.keywords:
            if keyword.arg not in names:
                named = keyword.arg or "**"
                raise ProgramError(call.lineno, f"{function} has no argument {named!r}, it has {', '.join(names)}")
            if keyword.arg in given:
                raise ProgramError(call.lineno, f"{function} got its argument {keyword.arg!r} twice")
            given[keyword.arg] = keyword.value
        missing = [name for name in names if name not in given]
        if missing:
            raise ProgramError(call.lineno, f"{function} lacks its argument {missing[0]!r}")
        return [given[name] for name in names]
