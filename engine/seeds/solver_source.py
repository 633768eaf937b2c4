"""Programs as Python functions, the way arc-dsl writes them: read as syntax, never imported and never run.

    def solve_<task>(I):
        x1 = objects(I, T, F, diagonal=T)
        O = fill(I, FOUR, merge(x1))
        return O

So are re-arc's `verify_<task>(I: Grid) -> Grid`, and the functions of others, see `function_body`.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from engine.seeds.function_body import FunctionBody, Signatures
from interpreter.language.program import Program, ProgramError, parse
from interpreter.primitives import PRIMITIVES

_NAMED = re.compile(r"(?:solve|verify)_(\w+)")
_FUNCTION = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)")
_OUTER = re.compile(r"[^\s#)\]}]")  # how a line begins that no statement before it goes on to

# A solver: the task that its name says (None where it says none), its line, and its program or what is wrong with it.
Solver = tuple[str | None, int, Program | str]


class SourceError(ValueError):
    """A text that is no Python source, or no source of a program."""


@dataclass(frozen=True)
class _Function:
    """A function of a source; `tree` is None where its own text is no Python, as `problem` says."""

    name: str
    line: int
    tree: ast.FunctionDef | None
    problem: str = ""

    def parameter(self) -> str | None:
        """The name of its one parameter; None where it does not have one."""
        arguments = self.tree.args if self.tree else ast.arguments([], [], None, [], [], None, [])
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        others = arguments.vararg or arguments.kwonlyargs or arguments.kwarg
        return names[0] if len(names) == 1 and not others else None


def read_solvers(source: str, signatures: Signatures | None = None) -> Iterator[Solver]:
    """Each function `solve_<task>` or `verify_<task>` of a Python source; where there is none, the one that is called
    `solve`, or the only one that takes one argument, of no task.

    `signatures` are the names that keyword arguments go by; a primitive that it lacks goes by those of
    docs/language.md. Raises `SourceError`.
    """
    signatures = {**_own_signatures(), **(signatures or {})}
    for function in _solvers(_functions(source)):
        named = _NAMED.fullmatch(function.name)
        yield (named[1] if named else None), function.line, _read(function, signatures)


def read_program(text: str) -> Program:
    """The program that a text is: lines of the language, or Python, with literals, comments and the like, either as
    statements or as one function.

    Raises `ProgramError` or `SourceError`, with the line.
    """
    try:
        return parse(text)
    except ProgramError as error:
        problem = error
    text = textwrap.dedent(text)
    if any(map(_FUNCTION.match, text.split("\n"))):
        solvers = list(read_solvers(text))
        if len(solvers) != 1:
            raise SourceError(f"right is one function solve_<task>(I), not {len(solvers)}")
        if isinstance(solvers[0][2], str):
            raise SourceError(solvers[0][2])
        return solvers[0][2]
    try:
        return FunctionBody(_own_signatures(), "I").read(_parsed(text).body, result="O")
    except SourceError:
        raise problem from None
    except RecursionError:
        raise ProgramError(problem.line, "calls nested too deeply") from None
    except ProgramError as error:  # what got further knows better
        raise (error if error.line >= problem.line else problem) from None


def read_signatures(source: str) -> dict[str, tuple[str, ...]]:
    """The names of the arguments of the primitives that a Python source defines, as far as this Python can read it.

    Raises `SourceError` where it can read no function.
    """
    trees = [function.tree for function in _functions(source) if function.tree and function.name in PRIMITIVES]
    return {tree.name: tuple(each.arg for each in (*tree.args.posonlyargs, *tree.args.args)) for tree in trees}


@cache
def _own_signatures() -> dict[str, tuple[str, ...]]:
    return {name: entry.source.__code__.co_varnames[1 : 1 + entry.arity] for name, entry in PRIMITIVES.items()}


def _solvers(functions: list[_Function]) -> list[_Function]:
    """The functions that are programs, by name, or else by how they look."""
    named = [function for function in functions if _NAMED.fullmatch(function.name)]
    called = [function for function in functions if function.name == "solve"]
    takes_one = [function for function in functions if function.parameter()]
    found = named or called or takes_one or functions
    if not named and len(found) > 1:
        names = ", ".join(function.name for function in found[:5])
        raise SourceError(f"which of {len(found)} functions ({names}) is it? right is one, or solve_<task>(I) for each")
    return found


def _read(function: _Function, signatures: Signatures) -> Program | str:
    if function.tree is None:
        return function.problem
    try:
        parameter = function.parameter()
        if parameter is None:
            raise ProgramError(function.line, "a solver takes one argument, `I`")
        return FunctionBody(signatures, parameter).read(function.tree.body)
    except ProgramError as error:
        return str(error)
    except RecursionError:
        return f"line {function.line}: calls nested too deeply"


def _functions(source: str) -> list[_Function]:
    """The functions of a source. One that this Python cannot read leaves the others."""
    try:
        return _definitions(_parsed(source))
    except SourceError as error:
        pieces = [each for start, text in _pieces(source) for each in _piece(start, text)]
        if not any(piece.tree for piece in pieces):
            raise error from None
        return pieces


def _definitions(module: ast.Module, before: int = 0) -> list[_Function]:
    found = [statement for statement in module.body if isinstance(statement, ast.FunctionDef)]
    for tree in found if before else ():
        ast.increment_lineno(tree, before)
    return [_Function(tree.name, tree.lineno, tree) for tree in found]


def _pieces(source: str) -> Iterator[tuple[int, str]]:
    """The statements of a source by how its lines look: the lines before each, and its text."""
    lines = source.split("\n")
    starts = [number for number, line in enumerate(lines) if _OUTER.match(line)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start, "\n".join(lines[start:end])


def _piece(start: int, text: str) -> list[_Function]:
    named = _FUNCTION.match(text)
    if named is None:
        return []
    try:
        return _definitions(_parsed(text, start), start)
    except SourceError as error:
        return [_Function(named[1], start + 1, None, str(error))]


def _parsed(source: str, before: int = 0) -> ast.Module:
    """The syntax tree of a source that has `before` lines before it. Raises `SourceError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in other people's strings
            return ast.parse(source)
    except SyntaxError as error:
        where = f"line {error.lineno + before}: " if error.lineno else ""
        raise SourceError(f"{where}not Python: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise SourceError("not Python that can be read: nested too deeply") from None
    except ValueError as error:
        raise SourceError(f"not Python: {error}") from None
