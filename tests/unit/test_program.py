"""Programs as text: errors say what is wrong and where; canonical text is one text for one program."""

import pytest

from interpreter.language.program import ProgramError, canonical, parse


def test_canonical_text_drops_lines_that_the_output_does_not_need():
    text = "x1 = hmirror(I)\nx2 = vmirror(I)\nx3 = vconcat(I,  x2 )\nO = identity(x3)"
    assert canonical(text) == "x1 = vmirror(I)\nx2 = vconcat(I, x1)\nO = identity(x2)"


def test_canonical_text_numbers_variables_in_order_of_definition():
    assert canonical("x7 = hmirror(I)\nx3 = vconcat(x7, I)\nO = rot90(x3)") == (
        "x1 = hmirror(I)\nx2 = vconcat(x1, I)\nO = rot90(x2)"
    )


def test_canonical_text_is_a_fixed_point():
    text = "x1 = compose(flip, even)\nx2 = x1(ONE)\nO = branch(x2, I, I)"
    assert canonical(canonical(text)) == canonical(text) == text


def test_a_called_variable_is_kept_by_what_calls_it():
    assert "x1 = rbind" in canonical("x1 = rbind(fill, ORIGIN)\nx2 = toivec(ONE)\nO = x1(I, ONE)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: an empty program"),
        ("O = fil(I, ONE, I)", "line 1: unknown function 'fil' (did you mean 'fill'?)"),
        ("x1 = hmirror(I)\nO = vconcat(I, x2)", "line 2: unknown name 'x2'"),
        ("O = vconcat(I)", "line 1: vconcat takes 2 arguments, not 1"),
        ("x1 = hmirror(I)", "line 1: the last line must define `O`"),
        ("x1 = hmirror(I)\nx1 = vmirror(I)\nO = identity(x1)", "line 2: x1 is defined twice"),
        ("O = hmirror(vmirror(I))", "line 1: expected `name = function(argument, ...)`"),
        ("O = hmirror(I)\nx1 = hmirror(I)", "line 1: a line defines x1"),
        ("O = canvas(7, UNITY)", "line 1: unknown name '7'"),
        ("x1 = identity(fill)\nO = x1(I, I, I, I, I)", "line 2: a variable is called with 1 to 4 arguments"),
    ],
)
def test_a_malformed_program_is_refused_with_its_line(text, message):
    with pytest.raises(ProgramError) as error:
        parse(text)
    assert message in str(error.value)


def test_more_variables_than_registers_are_refused():
    lines = "\n".join(f"x{k} = identity(I)" for k in range(1, 66))
    with pytest.raises(ProgramError, match="line 64: more than 63 variables"):
        parse(lines + "\nO = identity(I)")
