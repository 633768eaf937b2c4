"""Fingerprints of compiled functions: they change with what is compiled, and with nothing else."""

import sys
from collections import namedtuple
from types import ModuleType

import pytest
from numba import float64, int64, njit, typeof

from interpreter.runtime.compiled.fingerprints import fingerprint

SOURCE = '''
STEP, PAIR = 3, (1, 2)

@native
def deep(a):
    return a + 1

@native
def helper(a):
    """What it does."""
    return deep(a) * STEP

@native
def other(a):
    return a + 7

def around(word):
    return native(lambda a: a + word)

stub = around(5)

def root(a):
    # a comment
    def inner(b):
        return helper(b)
    return inner(a) + settings.LIMIT + stub(a) + PAIR[1] + math.floor(0.5) + settings.adjust(a)
'''
SETTINGS = "LIMIT, UNUSED = 4, 5\n@native\ndef adjust(a):\n    return a - 1\n"


def loaded(source=SOURCE, settings=SETTINGS, **options):
    """The function `root` of a module, with what it reaches."""
    import math

    other = ModuleType("interpreter.settings")
    other.native = njit(**options)
    exec(compile(settings, "settings.py", "exec"), vars(other))
    space = {"native": njit(**options), "settings": other, "math": math, "__name__": "interpreter.tried"}
    exec(compile(source, "tried.py", "exec"), space)
    return space["root"]


def of(*args, **options):
    return fingerprint(loaded(*args, **options), (int64,))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return a + 1", "return a + 2"),
        ("return a + 1", "return a - 1"),
        ("return deep(a) * STEP", "return other(a) * STEP"),
        ("STEP, PAIR = 3", "STEP, PAIR = 4"),
        ("STEP, PAIR = 3", "STEP, PAIR = 3.0"),
        ("(1, 2)", "(1, 3)"),
        ("around(5)", "around(6)"),
        ("return helper(b)", "return helper(b) + 1"),
        ("def deep(a):", "def deep(a, b=1):"),
        ("math.floor", "math.ceil"),
    ],
)
def test_it_changes_with_whatever_is_reached(before, after):
    assert before in SOURCE
    assert of(SOURCE.replace(before, after)) != of()


@pytest.mark.parametrize(("before", "after"), [("LIMIT, UNUSED = 4", "LIMIT, UNUSED = 6"), ("a - 1", "a - 2")])
def test_it_changes_with_what_is_read_of_another_module(before, after):
    assert of(settings=SETTINGS.replace(before, after)) != of()


def test_it_changes_with_options_and_types():
    assert of(error_model="numpy") != of()
    assert fingerprint(loaded(), (float64,)) != fingerprint(loaded(), (int64,))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# a comment", "# another comment\n\n"),
        ("What it does.", "What it does, in other words."),
        ("return a + 7", "return a + 8"),  # `other` is not reached
    ],
)
def test_it_does_not_change_with_anything_else(before, after):
    assert before in SOURCE
    assert of(SOURCE.replace(before, after)) == of()
    assert of(settings=SETTINGS.replace("UNUSED = 4, 5", "UNUSED = 4, 6")) == of()


def test_which_of_two_alike_is_read_counts():
    """Functions of one name that differ in what they closed over, both of them reached."""
    source = "def around(word):\n    return native(lambda a: a + word)\none, two = around(1), around(2)\n"
    assert of(source + "def root(a): return one(a) + two(a) + two(a)") != of(
        source + "def root(a): return one(a) + two(a) + one(a)"
    )


def test_functions_that_call_each_other_end():
    source = "@native\ndef even(a): return odd(a - 1)\n@native\ndef odd(a): return even(a - {})\nroot = even"
    assert of(source.format(1)) == of(source.format(1))
    assert of(source.format(1)) != of(source.format(2))


def test_what_cannot_stand_in_a_fingerprint_is_named():
    with pytest.raises(TypeError, match=r"interpreter\.tried\.root reads NAMES, a dict: compiled code reads functions"):
        of("NAMES = {}\ndef root(a):\n    return NAMES[a]")


def test_strings_and_names_of_arguments_count():
    source = "@native\ndef deep(a, b): return a - b\ndef root(a): return deep(a=a, b=1) + len('x')"
    assert of(source.replace("(a, b)", "(b, a)")) != of(source)
    assert of(source.replace("'x'", "'y'")) != of(source)


def test_a_module_that_a_closure_has_is_looked_into():
    source = "def around(module):\n    return lambda a: a + module.LIMIT\nroot = around(settings)"
    assert of(source, settings=SETTINGS) != of(source, settings=SETTINGS.replace("4, 5", "6, 5"))


@pytest.mark.parametrize("other", [("Pair", "right left"), ("Couple", "left right")])
def test_named_tuples_are_their_names_and_the_order_of_their_fields(other):
    """Numba writes types of both in the same way."""
    first, second = namedtuple("Pair", "left right"), namedtuple(*other)
    function = loaded()
    assert fingerprint(function, (typeof(first(1, 2)),)) != fingerprint(function, (typeof(second(1, 2)),))
    source = "from collections import namedtuple\nPAIR = namedtuple('{}', '{}')(1, 2)\ndef root(a): return a + PAIR[0]"
    assert of(source.format("Pair", "left right")) != of(source.format(*other))


def test_what_is_written_for_llvm_elsewhere_is_refused():
    source = (
        "from numba.extending import intrinsic\n@intrinsic\ndef nothing(context):\n    pass\n"
        "def root(a): return nothing()"
    )
    with pytest.raises(TypeError, match="root reads nothing, "):
        of(source)


def test_it_is_the_same_in_every_process():
    import subprocess

    code = (
        "from interpreter.primitives import transforms\nfrom interpreter.runtime import native\n"
        "print([one.kept._name for one in native._HEADER.values()])"
    )
    done = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert done[0].stdout == done[1].stdout
    assert "primitives.transforms." in done[0].stdout
