"""Solvers as Python functions: read as syntax alone, keywords made positional, mistakes named with their line."""

import pytest

from engine.seeds.solver_source import SourceError, read_program, read_signatures, read_solvers
from interpreter.language.program import ProgramError


def read(*body, signatures=None):
    """What becomes of one solver with these statements in its body."""
    source = "def solve_abc(I):\n" + "".join(f"    {statement}\n" for statement in body)
    [(task, line, program)] = read_solvers(source, signatures)
    assert (task, line) == ("abc", 1)
    return program if isinstance(program, str) else program.text


def test_a_solver_is_read_line_by_line():
    lines = ["x1 = objects(I, T, F, F)", "x2 = rbind(bordering, I)", "x3 = mfilter(x1, x2)", "O = fill(I, FOUR, x3)"]
    assert read(*lines, "return O") == "\n".join(lines)


def test_keyword_arguments_become_positional():
    text = read(
        "x1 = objects(I, T, without_background=F, diagonal=T)", "O = fill(patch=x1, grid=I, color=ONE)", "return O"
    )
    assert text == "x1 = objects(I, T, T, F)\nO = fill(I, ONE, x1)"


def test_keywords_go_by_the_names_of_the_dsl_beside_the_source():
    signatures = read_signatures("def replace(grid, replacee, replacer):\n    pass\n\ndef helper(x):\n    pass\n")
    assert signatures == {"replace": ("grid", "replacee", "replacer")}
    lines = "O = replace(I, replacer=ONE, replacee=TWO)", "return O"
    assert read(*lines, signatures=signatures) == "O = replace(I, TWO, ONE)"
    assert read(*lines) == "line 2: replace has no argument 'replacer', it has grid, old, new"


def test_calls_inside_calls_become_lines_of_their_own():
    text = read("x1 = vconcat(hmirror(I), vmirror(rot180(I)))", "O = compose(hmirror, vmirror)(x1)", "return O")
    assert text == (
        "x1 = hmirror(I)\nx2 = rot180(I)\nx3 = vmirror(x2)\nx4 = vconcat(x1, x3)\n"
        "x5 = compose(hmirror, vmirror)\nO = x5(x4)"
    )


def chained(lines):
    """Statements, as many as said, each of which needs the one before."""
    return ["x1 = hmirror(I)", *(f"x{k + 1} = hmirror(x{k})" for k in range(1, lines))]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (["O = upscale(I, 3)", "return O"], "O = upscale(I, THREE)"),
        (["return objects(I, True, diagonal=False, without_background=1)"], "O = objects(I, T, F, ONE)"),
        (["return shift(I, (-1, 1))"], "O = shift(I, UP_RIGHT)"),
        (["return canvas(-1, (3, 3))"], "O = canvas(NEG_ONE, THREE_BY_THREE)"),
        (["x = (3, size(I))", "return canvas(0, x)"], "x1 = size(I)\nx2 = astuple(THREE, x1)\nO = canvas(ZERO, x2)"),
        (["return upscale(I, 22)"], "x1 = increment(TEN)\nx2 = double(x1)\nO = upscale(I, x2)"),
        (["return canvas(-7, (7, 1))"], "x1 = invert(SEVEN)\nx2 = astuple(SEVEN, ONE)\nO = canvas(x1, x2)"),
        (['"""Left and right."""', "x0 = hmirror(I)", "...", "return x0"], "O = hmirror(I)"),
        (["x1: Grid = hmirror(I)", "O: Grid", "O = vmirror(x1)", "return O"], "x1 = hmirror(I)\nO = vmirror(x1)"),
        (["m = branch(T, hmirror, identity)", "O = m(I)", "return O"], "x1 = branch(T, hmirror, identity)\nO = x1(I)"),
        (["g = hmirror(I)", "g = vmirror(g)", "return g"], "x1 = hmirror(I)\nO = vmirror(x1)"),
        (["I = hmirror(I)", "return vmirror(I)"], "x1 = hmirror(I)\nO = vmirror(x1)"),
        (["f = hmirror", "a = b = f(I)", "return vconcat(a, b)"], "x1 = hmirror(I)\nO = vconcat(x1, x1)"),
        (["T = hmirror(I)", "return vconcat(T, I)"], "x1 = hmirror(I)\nO = vconcat(x1, I)"),
        (["return dsl.hmirror(I)"], "O = hmirror(I)"),
        (["O = hmirror(I)", "x1 = vmirror(O)", "return O", "return x1"], "O = hmirror(I)"),
        (["O = I", "return O"], "O = identity(I)"),
        (["O = hmirror(I)", "return I"], "x1 = hmirror(I)\nO = identity(I)"),
        ([*[f"y{k} = size(I)" for k in range(300)], "return hmirror(I)"], "O = hmirror(I)"),
    ],
)  # fmt: skip
def test_what_python_allows_is_read_with_its_meaning(body, text):
    assert read(*body) == text


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (["O = hmiror(I)", "return O"], "line 2: unknown function 'hmiror' (did you mean 'hmirror'?)"),
        (["x1 = rot180(rot180(I))", "O = hmirror(x1, I)", "return O"], "line 3: hmirror takes 1 argument, not 2"),
        (["x1 = vconcat(rot180(I), I)", "O = hmirror(x2)", "return O"], "line 3: unknown name 'x2'"),
        (["O = " + "hmirror(" * 90 + "J" + ")" * 90, "return O"], "line 2: unknown name 'J'"),
        ([*chained(256), "x257 = hmirror(x256)", "return x257"], "line 257: more than 255 variables"),
        (["O = fill(I, 'a', I)", "return O"], "line 2: an argument is a name or a call, such as `ONE` or `size(x1)`"),
        (["O = fill(I, 20_000, I)", "return O"], "line 2: an argument is a name or a call"),
        (["O = fill(I, 0x" + "f" * 5_000 + ", I)", "return O"], "line 2: an argument is a name or a call"),
        (["O = fill(I, size(I) + 1, I)", "return O"], "line 2: an argument is a name or a call, such as `ONE` or "
         "`size(x1)`; for this operator there is `add`"),
        (["O = hmirror(*I)", "return O"], "line 2: an argument is a name or a call, such as `ONE` or `size(x1)`"),
        (["O = apply(lambda x: x, I)", "return O"], "line 2: an argument is a name or a call"),
        (["x1, x2 = hmirror(I)", "return O"], "line 2: expected `name = function(argument, ...)`"),
        (["import os", "O = hmirror(I)", "return O"], "line 2: expected `name = function(argument, ...)`"),
        (["if I:", "    O = hmirror(I)", "return O"], "line 2: expected `name = function(argument, ...)`"),
        (["O = vmirror(I)", "print(O)", "return O"], "line 3: nothing takes the result of this call of 'print'"),
        (["x1 = hmirror(I)", "return O"], "line 3: unknown name 'O'"),
        (["shape = shape(I)", "return shape"], "line 2: 'shape' is used before it is assigned"),
        (["y = hmirror(x)", "x = hmirror(I)", "return y"], "line 2: 'x' is used before it is assigned"),
        (["O = hmirror(I)"], "line 2: the last statement must be `return O`"),
        (["O = hmirror(I)", "return"], "line 3: the last statement must be `return O`"),
        (["return O"], "line 2: an empty program"),
        (["x1 = rbind(add, I)", "O = x1(a=I)", "return O"], "line 3: only a primitive's arguments have names"),
        (["O = fill(I, ONE, grid=I)", "return O"], "line 2: fill got its argument 'grid' twice"),
        (["O = fill(I, patch=I)", "return O"], "line 2: fill lacks its argument 'color'"),
        (["O = fill(**I)", "return O"], "line 2: fill has no argument '**', it has grid, color, patch"),
    ],
)  # fmt: skip
def test_what_is_no_program_is_named_with_its_line(body, problem):
    assert read(*body).startswith(problem)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("def verify_abc(I: Grid) -> Grid", "return hmirror(I)"),
        ("def verify_abc(grid)", "return hmirror(grid)"),
        ("@cached\ndef solve_abc(I, /)", "return hmirror(I)"),
    ],
)
def test_a_function_is_known_by_its_name_and_takes_one_argument(head, body):
    [(task, _line, program)] = read_solvers(f"X = 3\n{head}:\n    {body}\n\ndef other(a):\n    return a\n")
    assert (task, program.text) == ("abc", "O = hmirror(I)")


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("x1 = hmirror(I)\nO = vmirror(x1)", "x1 = hmirror(I)\nO = vmirror(x1)"),
        ("# a comment\nx1 = hmirror(I)  # another\n\nO = vmirror(x1)", "x1 = hmirror(I)\nO = vmirror(x1)"),
        ("from dsl import *\nO = vmirror(hmirror(I))", "x1 = hmirror(I)\nO = vmirror(x1)"),
        ("  O = upscale(I,\n    3)", "O = upscale(I, THREE)"),
        ("def solve(I):\n    return hmirror(I)", "O = hmirror(I)"),
        ("  # turn\n  def any_name(grid: Grid) -> Grid:\n    return hmirror(grid)", "O = hmirror(I)"),
    ],
)
def test_a_text_is_a_program_in_every_form(text, program):
    assert read_program(text).text == program


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: an empty program"),
        ("# only a comment", "line 1: an empty program"),
        ("O = fil(I, ONE, I)", "line 1: unknown function 'fil' (did you mean 'fill'?)"),
        ("x1 = upscale(I, 3)\nO = fil(x1)", "line 2: unknown function 'fil' (did you mean 'fill'?)"),
        ("x1 = fil(I)\nO = upscale(x1, 3)", "line 1: unknown function 'fil' (did you mean 'fill'?)"),
        ("O = fill(I, 4, filx(I))", "line 1: unknown function 'filx' (did you mean 'fill'?)"),
        ("x1 = hmirror(I)  # no output", "line 1: the last line must define `O`"),
        ("x1 = ((", "line 1: expected `name = function(argument, ...)`"),
        ("O = " + "-" * 100_000 + "1", "line 1: expected"),
        ("O = " + "f" * 30_000 + "\ud800", "line 1: expected"),
        ("def solve(I):\n    O = hmiror(I)\n    return O", "line 2: unknown function 'hmiror'"),
        ("def solve(I:\n    return I", "line 1: not Python"),
        ("def f(I):\n    return I\n\ndef g(I):\n    return I", "which of 2 functions (f, g) is it"),
        ("def f(I, J):\n    return I", "line 1: a solver takes one argument, `I`"),
        ("def f(*I):\n    return I", "line 1: a solver takes one argument, `I`"),
    ],
)
def test_a_text_that_is_no_program_is_named_with_its_line(text, problem):
    with pytest.raises((ProgramError, SourceError)) as error:
        read_program(text)
    assert str(error.value).startswith(problem)
    assert len(str(error.value)) < 300


def test_a_broken_solver_leaves_the_others():
    source = (
        "raise SystemExit('never run')\n"
        "def solve_a(I):\n    O = hmiror(I)\n    return O\n"
        "def helper(I):\n    return eval(I)\n"
        "def solve_b(I, J):\n    O = hmirror(I)\n    return O\n"
        "def solve_c(I):\n    O = hmirror(I)\n    return O\n"
    )
    found = {task: (line, program) for task, line, program in read_solvers(source)}
    assert found["a"] == (2, "line 3: unknown function 'hmiror' (did you mean 'hmirror'?)")
    assert found["b"] == (7, "line 7: a solver takes one argument, `I`")
    assert found["c"][1].text == "O = hmirror(I)"
    assert list(found) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "source", ["def solve_a(I):\n  O = (", "x = '\0'", "x = " + "-" * 200_000 + "1", "x=" + "a." * 100_000 + "b"]
)
def test_what_is_no_python_is_refused(source):
    with pytest.raises(SourceError, match="not Python"):
        list(read_solvers(source))
