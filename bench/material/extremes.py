"""Extreme programs for the fuzzer: each primitive on the largest arguments that a few lines can name.

An argument is an expression of nested calls over `I`, names of the language and whole numbers, which are built from the
constants; it becomes the lines of a program, equal parts once each. Large here is what is cheap to name: grids and
tuples of half the memory, tables whose rows are one row, values within values within values, powers of functions.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from interpreter.language.program import Line, Program
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.primitives.types import Type
from interpreter.runtime import layout

MAX_LINES = layout.MAX_VARIABLES + 1
TYPED = 0.8  # of the arguments, a share of the declared type; the others are anything
MAPPED = 0.2  # of the programs, a share that calls its primitive on the items of a tuple

NUMBERS = ("0", "1", "2", "30", "1000", "30000", "300000", "2 ** 30", "-1", "-1000")
PAIRS = ("(0, 0)", "(1, 1)", "(2, 1000)", "(1000, 2)", "(600, 600)", "(30000, 30000)", "(1, 30000)", "(-500, 500)",
         "(500000, 500000)", "(-300000, 300000)")  # fmt: skip
GRIDS = (
    "I",
    "upscale(I, 20)",
    "canvas(1, (600, 600))",
    "canvas(1, (512, 512))",
    "canvas(1, (2, 30000))",
    "canvas(1, (30000, 2))",
    "canvas(1, (1, 30000))",
    "canvas(1, (30000, 1))",
    "power(fork(hconcat, identity, vmirror), 4)(I)",
    "power(fork(vconcat, identity, hmirror), 5)(I)",
    "repeat(interval(0, 1000, 1), 400)",
    "dmirror(repeat(interval(0, 1000, 1), 400))",
    "repeat(interval(0, 300000, 1), 1)",
    "apply(toivec, interval(0, 100000, 1))",
    "fill(canvas(1, (600, 600)), 2, shoot((0, 0), (1, 1)))",
)
TABLES = (
    "canvas(LEFT, (30000, 30000))",
    "canvas(LEFT, (600, 600))",
    "canvas(LEFT, (2, 300000))",
    "canvas(LEFT, (300000, 2))",
    "canvas(I, (1000, 1000))",
    "canvas(identity, (1000, 1000))",
    "canvas(asindices(I), (1000, 1000))",
    "canvas(repeat(0, 0), (1000, 1000))",
    "repeat(repeat(0, 0), 400000)",
    "repeat(interval(0, 3, 1), 300000)",
    "repeat(interval(0, 1000, 1), 30000)",
    "repeat(asobject(I), 300000)",
    "repeat(repeat(I, 500), 500)",
    "combine(canvas(1, (3, 3)), repeat(repeat(1, 30000), 30000))",
    "combine(repeat(repeat(1, 30000), 2000), canvas(LEFT, (1, 3)))",
)
PATCHES = (
    "asindices(canvas(1, (600, 600)))",
    "asindices(canvas(1, (1000, 30)))",
    "asindices(I)",
    "asobject(I)",
    "asobject(upscale(I, 12))",
    "ofcolor(upscale(I, 12), 0)",
    "product(interval(0, 400, 1), interval(0, 400, 1))",
    "combine(initset((0, 0)), initset((500000, 500000)))",
    "combine(recolor(1, initset((0, 0))), recolor(2, initset((500000, 500000))))",
    "combine(recolor(1, initset((0, 0))), recolor(2, initset((0, 500000))))",
    "connect((0, 0), (100000, 0))",
    "connect((0, 0), (100000, 100000))",
    "recolor(3, connect((0, 0), (0, 100000)))",
    "merge(frontiers(canvas(1, (200, 200))))",
    "apply(toivec, interval(0, 100000, 1))",
)
SETS = (
    "palette(repeat(interval(0, 300000, 1), 1))",
    "apply(initset, palette(repeat(interval(0, 20000, 1), 1)))",
    "objects(upscale(I, 8), T, F, F)",
    "objects(hupscale(repeat(interval(0, 100, 1), 200), 2), T, F, F)",
    "fgpartition(upscale(I, 20))",
    "frontiers(canvas(1, (200, 200)))",
    "product(objects(I, T, F, F), objects(I, T, F, F))",
    "product(interval(0, 300, 1), repeat(I, 1))",
    "initset(canvas(LEFT, (30000, 30000)))",
    "initset(power(fork(astuple, identity, identity), 100)(I))",
)
TUPLES = (
    "interval(0, 300000, 1)",
    "interval(300000, 0, -1)",
    "repeat(1, 900000)",
    "repeat(I, 500000)",
    "repeat(asindices(I), 500000)",
    "repeat(identity, 400000)",
    "apply(rbind(compose, identity), repeat(identity, 30000))",
    "apply(initset, interval(0, 30000, 1))",
    "apply(initset, interval(30000, 0, -1))",
    "apply(rbind(repeat, 3), interval(0, 30000, 1))",
    "apply(rbind(repeat, 3), interval(30000, 0, -1))",
    "apply(rbind(astuple, I), interval(30000, 0, -1))",
    "apply(asobject, repeat(I, 300))",
    "apply(rot90, repeat(I, 300))",
    "totuple(objects(upscale(I, 6), T, F, F))",
    "totuple(product(interval(0, 400, 1), interval(0, 400, 1)))",
    "power(fork(astuple, identity, identity), 100)(I)",
    "power(fork(astuple, identity, identity), 100)(canvas(1, (3, 3)))",
    "power(fork(astuple, identity, identity), 20)(initset(1))",
    "power(fork(combine, identity, identity), 16)(totuple(asobject(I)))",
    "power(initset, 100)(I)",
    "repeat(canvas(LEFT, (30000, 30000)), 1000)",
    "hsplit(canvas(1, (3, 30000)), 30000)",
    "vsplit(canvas(1, (30000, 3)), 30000)",
    "repeat(repeat(0, 0), 400000)",
)
FUNCTIONS = (
    "identity",
    "size",
    "first",
    "power(identity, 2 ** 30)",
    "power(fork(combine, identity, identity), 18)",
    "power(fork(astuple, identity, identity), 100)",
    "power(power(identity, 1000), 1000)",
    "rbind(repeat, 1000)",
    "lbind(repeat, I)",
    "lbind(equality, canvas(LEFT, (600, 600)))",
    "matcher(identity, canvas(1, (600, 600)))",
    "matcher(identity, power(fork(astuple, identity, identity), 100)(I))",
    "lbind(contained, 7)",
    "rbind(contained, interval(0, 30000, 1))",
    "compose(mostcolor, lbind(canvas, 1))",
    "invert",
)
OF_TYPE: dict[Type, tuple[str, ...]] = {
    Type.BOOLEAN: ("T", "F"),
    Type.INTEGER: NUMBERS,
    Type.PAIR: PAIRS,
    Type.NUMERICAL: (*NUMBERS, *PAIRS),
    Type.GRID: (*GRIDS, *TABLES),
    Type.CELL: ("astuple(1, (2, 3))",),
    Type.INDICES: PATCHES,
    Type.OBJECT: PATCHES,
    Type.OBJECTS: (*SETS, *TUPLES),
    Type.PATCH: PATCHES,
    Type.ELEMENT: (*GRIDS, *TABLES, *PATCHES),
    Type.PIECE: (*GRIDS, *TABLES, *PATCHES),
    Type.SET: (*PATCHES, *SETS),
    Type.TUPLE: (*TUPLES, *TABLES, *GRIDS),
    Type.CONTAINER: (*TUPLES, *TABLES, *GRIDS, *PATCHES, *SETS),
    Type.FUNCTION: FUNCTIONS,
}
ANYTHING = tuple(dict.fromkeys(text for texts in OF_TYPE.values() for text in texts))


class Writer:
    """Lines of a program, written from expressions; an expression that was written before is its variable."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._known: dict[str, str] = {}

    def write(self, expression: str) -> str:
        """The name that holds the value of an expression."""
        return self._name(ast.parse(expression, mode="eval").body)

    def call(self, function: str, *arguments: str) -> str:
        """A new line; the variable that it defines."""
        self.lines.append(Line(function, arguments))
        return f"x{len(self.lines)}"

    def _name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return node.id
        key = ast.unparse(node)
        if key not in self._known:
            self._known[key] = self._new(node)
        return self._known[key]

    def _new(self, node: ast.expr) -> str:
        if isinstance(node, ast.Call):
            return self.call(self._name(node.func), *map(self._name, node.args))
        if isinstance(node, ast.Tuple):
            return self.call("astuple", *map(self._name, node.elts))
        return self._number(_value(node))

    def _number(self, value: int) -> str:
        """A number from constants: digits of base ten, or a power of two."""
        if -2 <= value <= 10:
            return _CONSTANTS[value]
        if value < 0:
            return self.call("invert", self._known_number(-value))
        if value & (value - 1) == 0:
            return self.call("double", self._known_number(value // 2))
        ten = self.call("multiply", self._known_number(value // 10), "TEN")
        return self.call("add", ten, _CONSTANTS[value % 10]) if value % 10 else ten

    def _known_number(self, value: int) -> str:
        return self._name(ast.Constant(value))


_CONSTANTS = {value: name for name, value in CONSTANTS.items() if isinstance(value, int) and len(name) > 1}


def _value(node: ast.expr) -> int:
    """The whole number that an expression of literals is."""
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp):
        return _value(node.left) ** _value(node.right)
    return int(ast.literal_eval(node))


def extreme(primitive: str, generator: np.random.Generator) -> Program:
    """A program that calls a primitive again and again, until it is as long as a program can be."""
    parameters = PRIMITIVES[primitive].parameters
    while True:
        writer = Writer()
        arguments = [writer.write(_pick(_choices(type_, generator), generator)) for type_ in parameters]
        function = primitive
        if generator.random() < MAPPED:
            function, arguments = _mapped(writer, primitive, arguments, generator)
        if len(writer.lines) < MAX_LINES:
            break
    while len(writer.lines) < MAX_LINES:
        writer.call(function, *arguments)
    return Program(tuple(writer.lines))


def _choices(type_: Type, generator: np.random.Generator) -> Sequence[str]:
    return OF_TYPE.get(type_, ANYTHING) if generator.random() < TYPED else ANYTHING


def _mapped(
    writer: Writer, primitive: str, arguments: list[str], generator: np.random.Generator
) -> tuple[str, list[str]]:
    """A call of `apply` instead, on many times the last argument; primitives of one and two arguments only."""
    if len(arguments) > 2:
        return primitive, arguments
    function = primitive if len(arguments) == 1 else writer.call("lbind", primitive, arguments[0])
    count = writer.write(_pick(("30", "1000", "30000", "300000"), generator))
    return "apply", [function, writer.call("repeat", arguments[-1], count)]


def _pick(choices: Sequence[str], generator: np.random.Generator) -> str:
    return choices[int(generator.integers(len(choices)))]
