"""Extreme programs: expressions become lines that mean what they say."""

import numpy as np
import pytest

from bench.material.extremes import ANYTHING, MAX_LINES, Writer, extreme
from interpreter.language.program import Program, parse
from interpreter.primitives import CONSTANTS, PRIMITIVES


def text(expression):
    writer = Writer()
    writer.write(expression)
    return Program(tuple(writer.lines)).text


def test_an_expression_is_lines_and_an_equal_part_is_written_once():
    assert text("hconcat(rot90(I), rot90(I))") == "x1 = rot90(I)\nO = hconcat(x1, x1)"
    assert (
        text("power(fork(astuple, first, last), 3)(I)")
        == "x1 = fork(astuple, first, last)\nx2 = power(x1, THREE)\nO = x2(I)"
    )
    assert text("toivec((1, -2))") == "x1 = astuple(ONE, NEG_TWO)\nO = toivec(x1)"


@pytest.mark.parametrize("number", [0, 7, -2, -3, 10, 11, 64, 1000, 30000, 300305, 2**30, -500])
def test_a_number_is_built_from_constants(number):
    values = dict(CONSTANTS)
    lines = text(f"identity({number})").splitlines()
    for line in lines:
        target, call = line.split(" = ")
        name, arguments = call.rstrip(")").split("(")
        known = [values[argument] for argument in arguments.split(", ")]
        values[target] = {
            "identity": lambda x: x,
            "invert": lambda x: -x,
            "double": lambda x: 2 * x,
            "multiply": lambda x, y: x * y,
            "add": lambda x, y: x + y,
        }[name](*known)
    assert values["O"] == number


@pytest.mark.parametrize("expression", ANYTHING)
def test_each_argument_leaves_room_for_a_call(expression):
    writer = Writer()
    writer.write(expression)
    assert len(writer.lines) < MAX_LINES


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_an_extreme_program_calls_its_primitive_and_is_the_same_again(primitive):
    one, two = (extreme(primitive, np.random.default_rng(3)) for _ in range(2))
    assert one == two == parse(one.text)
    assert len(one.lines) == MAX_LINES
    assert primitive in {name for line in one.lines for name in line.names()}
