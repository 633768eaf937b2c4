"""The statements of a Python function as lines of a program: syntax alone, nothing is run.

Names are those of Python: what is assigned anywhere in the function is its own and may be assigned again, whatever it
is called; every other name is a primitive or a constant. A call inside a call becomes a line of its own, a keyword
argument positional, a literal the constant that it equals, or the calls that make it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from interpreter.language.program import Line, Program, ProgramError, check_call, quoted, suggestion
from interpreter.primitives import CONSTANTS, PRIMITIVES

# Names of the arguments of a primitive, in order.
Signatures = Mapping[str, tuple[str, ...]]

MAX_LITERAL = 10_000  # integers up to this one are made of constants

_INTEGERS = {value: name for name, value in CONSTANTS.items() if isinstance(value, int) and name not in ("F", "T")}
_PAIRS = {value: name for name, value in CONSTANTS.items() if isinstance(value, tuple)}
_OPERATORS = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.FloorDiv: "divide"}
_ASSIGNMENT = "expected `name = function(argument, ...)`"
_RETURN = "the last statement must be `return O`"


class FunctionBody:
    """The lines of one program, as its statements are read. Lines of `ProgramError`s are those of the source."""

    def __init__(self, signatures: Signatures, parameter: str) -> None:
        self._signatures = signatures
        self._values = {parameter: "I"}  # a name of the source -> what it stands for now, in the program
        self._own = {parameter}  # names that the function assigns
        self._lines: list[Line] = []
        self._numbers: list[int] = []  # where each line stands in the source
        self._variables: dict[str, str] = {}  # of the program so far
        self._literals: dict[int | tuple[int, int], str] = {}

    def read(self, statements: Sequence[ast.stmt], result: str | None = None) -> Program:
        """The program of statements that end in a `return`, or assign `result`. Raises `ProgramError`."""
        self._own.update(_assigned(statements))
        for statement in statements:
            if isinstance(statement, ast.Return):
                return self._end(statement.value, statement.lineno)
            self._statement(statement)
        if not statements:
            raise ProgramError(1, "an empty program (the last line must be `O = ...`)")
        last = statements[-1]
        if result is None:
            raise ProgramError(last.lineno, _RETURN)
        if result not in self._values:
            raise ProgramError(last.lineno, f"the last line must define `{result}`")
        return self._end(ast.Name(result, lineno=last.lineno), last.lineno)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=targets, value=value) if all(isinstance(target, ast.Name) for target in targets):
                name = self._value(value)
                self._values.update((target.id, name) for target in targets)
            case ast.AnnAssign(target=ast.Name(id=target), value=value):
                if value is not None:
                    self._values[target] = self._value(value)
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.ImportFrom(names=[ast.alias(name="*")]):
                pass  # a docstring, `...`, `from dsl import *`
            case ast.Expr(value=ast.Call(func=ast.Name(id=function))):
                message = f"nothing takes the result of this call of {quoted(function)}; {_ASSIGNMENT}"
                raise ProgramError(statement.lineno, message)
            case _:
                raise ProgramError(statement.lineno, _ASSIGNMENT)

    def _end(self, value: ast.expr | None, number: int) -> Program:
        """The program whose output is `value`."""
        if value is None:
            raise ProgramError(number, _RETURN)
        if isinstance(value, ast.Name) and value.id == "O" and not self._lines and "O" not in self._values:
            raise ProgramError(number, "an empty program (`O = ...` must come before `return O`)")
        name = self._value(value)
        if name not in self._variables:
            name = self._add(number, "identity", (name,))
        end = int(name[1:])  # no later line has a part in it
        return Program(tuple(self._lines[:end])).within_limit(self._numbers)

    def _add(self, number: int, function: str, arguments: tuple[str, ...]) -> str:
        """Add a line; the name of its result."""
        check_call(number, function, arguments, self._variables)
        self._lines.append(Line(function, arguments))
        self._numbers.append(number)
        name = f"x{len(self._lines)}"
        self._variables[name] = name
        return name

    def _value(self, node: ast.expr, is_function: bool = False) -> str:
        """The name in the program of what an expression gives; its lines are added."""
        match node:
            case ast.Call():
                function = self._value(node.func, is_function=True)
                arguments = tuple(self._value(argument) for argument in self._positional(node, function))
                return self._add(node.lineno, function, arguments)
            case ast.Name():
                return self._name(node, "function" if is_function else "name")
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module not in self._own:
                return self._name(ast.Name(name, lineno=node.lineno), "name", of_module=True)
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return self._literal(_number(node), node)
            case ast.Tuple(elts=[first, second]):
                values = _number(first), _number(second)
                if values in _PAIRS:
                    return _PAIRS[values]
                return self._add(node.lineno, "astuple", (self._value(first), self._value(second)))
        self._refuse(node)

    def _name(self, node: ast.Name, kind: str, of_module: bool = False) -> str:
        if node.id in self._own and not of_module:
            if node.id in self._values:
                return self._values[node.id]
            raise ProgramError(node.lineno, f"{quoted(node.id)} is used before it is assigned")
        if node.id in PRIMITIVES or node.id in CONSTANTS:
            return node.id
        hint = suggestion(node.id, self._values, CONSTANTS)
        raise ProgramError(node.lineno, f"unknown {kind} {quoted(node.id)}{hint}")

    def _literal(self, value: object, node: ast.expr) -> str:
        """The constant of a number, or the line that makes it of constants."""
        if isinstance(value, bool):
            return "T" if value else "F"
        if not isinstance(value, int) or abs(value) > MAX_LITERAL:
            self._refuse(node)
        if value in _INTEGERS:
            return _INTEGERS[value]
        if value not in self._literals:
            function, argument = ("invert", -value) if value < 0 else ("increment", value - 1) if value % 2 else (
                "double", value // 2
            )  # fmt: skip
            self._literals[value] = self._add(node.lineno, function, (self._literal(argument, node),))
        return self._literals[value]

    def _refuse(self, node: ast.expr) -> NoReturn:
        message = "an argument is a name or a call, such as `ONE` or `size(x1)`"
        match node:
            case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
                message += f"; for this operator there is `{_OPERATORS[type(operator)]}`"
            case ast.Constant(value=int()) | ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
                message += f"; an integer lies within ±{MAX_LITERAL:,}"
        raise ProgramError(node.lineno, message)

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


def _assigned(statements: Sequence[ast.stmt]) -> Iterator[str]:
    """The names that statements assign."""
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _number(node: ast.expr) -> object:
    """The number that an expression spells, or whatever a constant is; None where it is neither."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)) if not isinstance(value, bool):
            return -value
    return None
