"""Programs as text: errors say what is wrong and where; canonical text is one text for one program."""

from itertools import pairwise

import pytest

from interpreter.language.program import ProgramError, _known_split, canonical, parse


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


def chain(lines):
    """A program of that many lines, each of which needs the one before."""
    names = ["I", *(f"x{k}" for k in range(1, lines)), "O"]
    return "\n".join(f"{name} = hmirror({before})" for before, name in pairwise(names))


def test_more_variables_than_registers_are_refused():
    assert len(parse(chain(256)).lines) == 256
    with pytest.raises(ProgramError, match="line 257: more than 255 variables"):
        parse("\n" + chain(257))


def test_variables_are_counted_after_pruning():
    unneeded = "\n".join(f"x{k} = identity(I)" for k in range(1000, 1400))
    assert parse(f"{unneeded}\n{chain(256)}").text == chain(256)
    assert len(parse("x1 = hmirror(I)\nO = vmirror(I)").lines) == 2


def test_a_message_does_not_repeat_a_text_of_thousands_of_letters():
    for text in ("O = " + "f" * 30_000, "O = " + "f" * 30_000 + "(I)", "O = hmirror(" + "x" * 30_000 + ")"):
        with pytest.raises(ProgramError) as error:
            parse(text)
        assert len(str(error.value)) < 200


def test_long_rows_are_not_remembered():
    before = _known_split.cache_info().currsize
    for k in range(100):
        with pytest.raises(ProgramError):
            parse(f"O = hmirror({k}, {'I, ' * 20}I)")
        with pytest.raises(ProgramError):
            parse(f"O = f{k}{' ' * 200}(I)")
    assert _known_split.cache_info().currsize == before
