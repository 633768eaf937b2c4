"""Solvers as Python functions: read as syntax alone, keywords made positional, mistakes named with their line."""

import pytest

from engine.seeds.solver_source import SourceError, read_signatures, read_solvers


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


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (["O = hmiror(I)", "return O"], "line 2: unknown function 'hmiror' (did you mean 'hmirror'?)"),
        (["x1 = rot180(rot180(I))", "O = hmirror(x1, I)", "return O"], "line 3: hmirror takes 1 argument, not 2"),
        (["x1 = vconcat(rot180(I), I)", "O = hmirror(x2)", "return O"], "line 3: unknown name 'x2'"),
        (["O = identity" + "(I)" * 900, "return O"], "line 1: calls nested too deeply"),
        (["O = " + "hmirror(" * 90 + "I" + ")" * 90, "return O"], "line 2: more than 63 variables"),
        (["O = fill(I, 3, I)", "return O"], "line 2: an argument is a name or a call, such as `ONE` or `size(x1)`"),
        (["O = hmirror(*I)", "return O"], "line 2: an argument is a name or a call, such as `ONE` or `size(x1)`"),
        (["O = I", "return O"], "line 2: expected `name = function(argument, ...)`"),
        (["x1, x2 = hmirror(I)", "return O"], "line 2: expected `name = function(argument, ...)`"),
        (["import os", "O = hmirror(I)", "return O"], "line 2: expected `name = function(argument, ...)`"),
        (["y = hmirror(I)", "O = hmirror(y)", "return O"], "line 2: a line defines x1, x2, ..."),
        (["O = hmirror(I)", "x1 = hmirror(O)", "return O"], "line 2: a line defines x1, x2, ..."),
        (["x1 = hmirror(I)", "x1 = vmirror(x1)", "O = hmirror(x1)", "return O"], "line 3: x1 is defined twice"),
        (["x1 = hmirror(I)", "return O"], "line 2: the last line must define `O`, not 'x1'"),
        (["O = hmirror(I)", "return I"], "line 3: the last statement must be `return O`"),
        (["O = hmirror(I)"], "line 2: the last statement must be `return O`"),
        (["return O"], "line 2: an empty program"),
        (["x1 = rbind(add, I)", "O = x1(a=I)", "return O"], "line 3: only a primitive's arguments have names"),
        (["O = fill(I, ONE, grid=I)", "return O"], "line 2: fill got its argument 'grid' twice"),
        (["O = fill(I, patch=I)", "return O"], "line 2: fill lacks its argument 'color'"),
        (["O = fill(**I)", "return O"], "line 2: fill has no argument '**', it has grid, color, patch"),
        ([*[f"x{k} = size(I)" for k in range(1, 66)], "O = size(I)", "return O"], "line 65: more than 63 variables"),
    ],
)  # fmt: skip
def test_what_is_no_program_is_named_with_its_line(body, problem):
    assert read(*body).startswith(problem)


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
