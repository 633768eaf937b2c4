"""Typed mutation: what mutants are, and that a seed decides them."""

import math

import numpy as np
import pytest

from interpreter.grids import GridTable
from interpreter.language.program import canonical, parse
from interpreter.language.symbols import Symbols
from interpreter.language.type_check import is_well_typed
from interpreter.machine.kinds import KINDS, observed_kinds
from interpreter.mutation.mutator import OPERATIONS, Mutator, Rates, Seen, program_keys
from interpreter.primitives import PRIMITIVES

TEXTS = [
    "x1 = objects(I, T, F, T)\nx2 = argmax(x1, size)\nx3 = subgrid(x2, I)\nO = hmirror(x3)",
    "x1 = ofcolor(I, TWO)\nx2 = shift(x1, RIGHT)\nx3 = fill(I, THREE, x2)\nO = vconcat(x3, I)",
    "x1 = asindices(I)\nx2 = corners(x1)\nO = fill(I, ONE, x2)",
]
PROGRAMS = Symbols.pack([parse(text) for text in TEXTS])
GRIDS = GridTable.pack([np.array([[0, 2, 2], [1, 0, 0], [2, 1, 0]], np.int8)])


def made_by(operation, n=100, seed=0):
    rates = Rates(**{**dict.fromkeys(OPERATIONS, 0.0), operation: 1.0})
    kinds = observed_kinds(PROGRAMS, GRIDS, np.zeros(len(PROGRAMS), np.int64))
    mutants = Mutator(PROGRAMS, kinds, rates).mutants(n, seed)
    assert len(mutants.programs) >= 4
    return [(TEXTS[mutants.parents[k]], mutants.programs.program(k)) for k in range(len(mutants.programs))]


def test_symbols_are_the_programs():
    assert [PROGRAMS.program(k).text for k in range(len(PROGRAMS))] == TEXTS
    both = Symbols.concatenate([PROGRAMS, PROGRAMS.take(np.array([1]))])
    assert both.program(3).text == TEXTS[1]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_mutants_are_distinct_canonical_programs(operation):
    texts = [program.text for _, program in made_by(operation)]
    assert len(set(texts)) == len(texts)
    assert not set(texts) & set(TEXTS)
    assert all(canonical(text) == text for text in texts)


@pytest.mark.parametrize("operation", ["argument", "function", "constant", "definition"])
def test_mutants_of_well_typed_programs_are_well_typed(operation):
    assert all(is_well_typed(parse(text)) for text in TEXTS)
    assert all(is_well_typed(program) for _, program in made_by(operation))


def test_a_smaller_language_is_kept_to():
    """Whatever is changed, no primitive comes in that is not in it."""
    language = {"objects", "argmax", "size", "subgrid", "hmirror", "vmirror", "rot90", "color", "first", "identity"}
    program = Symbols.pack([parse(TEXTS[0])])
    rates = Rates(**{**dict.fromkeys(OPERATIONS, 1.0), "again": 0.5})
    mutants = Mutator(program, rates=rates, primitives=language).mutants(300, 0)
    names = {name for k in range(len(mutants.programs)) for line in mutants.programs.program(k).lines
             for name in line.names()}  # fmt: skip
    assert len(mutants.programs) > 100
    assert names & PRIMITIVES.keys() <= language
    assert {"vmirror", "rot90", "color"} <= names
    all_of_them = Mutator(program, rates=rates, primitives=PRIMITIVES).mutants(300, 0).programs
    assert np.array_equal(all_of_them.rows, Mutator(program, rates=rates).mutants(300, 0).programs.rows)
    with pytest.raises(ValueError, match=r"unknown primitive 'hmiror' \(did you mean 'hmirror'\?\)"):
        Mutator(program, primitives=["hmiror"])


def test_one_function_changes_one_name():
    for text, program in made_by("function"):
        parent = parse(text)
        if len(parent.lines) == len(program.lines):
            pairs = list(zip(parent.lines, program.lines, strict=True))
            assert sum(a.function != b.function for a, b in pairs) == 1
            assert all(a.arguments == b.arguments for a, b in pairs)


def test_a_cut_is_shorter_and_a_splice_brings_lines_of_another_program():
    assert all(len(program.lines) < len(parse(text).lines) for text, program in made_by("cut", 20))
    calls = {line.function for text in TEXTS for line in parse(text).lines}
    spliced = [(text, program) for text, program in made_by("splice")]
    assert all({line.function for line in program.lines} <= calls for _, program in spliced)
    assert any("ofcolor" in program.text and "ofcolor" not in text for text, program in spliced)


def test_a_seed_decides_the_mutants_and_parents_can_be_chosen():
    first, again, other = (Mutator(PROGRAMS).mutants(200, seed) for seed in (1, 1, 2))
    assert (first.keys == again.keys).all()
    assert (first.programs.rows == again.programs.rows).all()
    assert not np.array_equal(first.keys, other.keys)
    assert set(Mutator(PROGRAMS).mutants(50, 0, parents=np.array([2])).parents.tolist()) == {2}


def test_what_was_seen_is_not_made_again():
    seen = Seen()
    early = Mutator(PROGRAMS, seen=seen).mutants(300, 1)
    assert (program_keys(early.programs) == early.keys).all()
    late = Mutator(PROGRAMS, seen=seen).mutants(300, 1)
    assert not set(early.keys.tolist()) & set(late.keys.tolist())
    assert not seen.add(early.keys).any()
    assert seen.add(np.array([5, 6, 5])).tolist() == [True, True, False]


def test_a_neighbourhood_that_is_used_up_ends():
    mutator = Mutator(Symbols.pack([parse("O = hmirror(I)")]), rates=Rates(argument=0, function=1, definition=0))
    mutants = mutator.mutants(10_000, 0, attempts=20_000)
    assert 1 <= len(mutants.programs) < 200
    assert mutants.attempts == 20_000


def test_programs_that_no_policy_writes_have_no_mutants_and_lend_no_lines():
    long = parse("\n".join(["x1 = rot90(I)", *(f"x{k + 1} = rot90(x{k})" for k in range(1, 100)), "O = rot90(x100)"]))
    programs = Symbols.pack([long, parse(TEXTS[0]), long])
    assert [programs.program(k) for k in (0, 2)] == [long, long]
    kinds = observed_kinds(programs, GRIDS, np.zeros(3, np.int64))
    assert set(kinds[:101]) == {KINDS.index("Grid")}
    mutator = Mutator(programs, kinds, Rates(splice=1.0, again=0.5))
    made = mutator.mutants(200, 0)
    assert len(made.programs) > 10
    assert set(made.parents.tolist()) == {1}
    assert max(np.diff(made.programs.starts)) <= 64
    alone = Mutator(programs.take(np.array([1])), kinds[101:105], Rates(splice=1.0, again=0.5)).mutants(200, 0)
    assert np.array_equal(alone.programs.rows, made.programs.rows)
    assert len(mutator.mutants(200, 0, parents=np.array([0, 2])).programs) == 0


def test_rates_must_be_shares():
    with pytest.raises(ValueError, match="at least 0"):
        Mutator(PROGRAMS, rates=Rates(argument=-1.0))
    with pytest.raises(ValueError, match="one of them more"):
        Mutator(PROGRAMS, rates=Rates(argument=0, function=0, definition=0))
    for wrong in (math.nan, math.inf, -0.1):
        for name in (*OPERATIONS, "new_line", "again"):
            with pytest.raises(ValueError, match=r"must be numbers|is a chance"):
                Rates(**{name: wrong})
    for name, wrong in (("new_line", 1.1), ("again", 1.0)):
        with pytest.raises(ValueError, match=f"{name} is a chance"):
            Rates(**{name: wrong})
    assert Rates(new_line=1.0, again=0.99, argument=7.0).weights()[-1] == pytest.approx(1.0)


def test_kinds_are_those_of_values_and_not_of_declarations():
    text = (
        "x1 = shape(I)\nx2 = add(x1, ONE)\nx3 = crop(I, ORIGIN, x2)\nx4 = objects(I, T, F, T)\nx5 = apply(size, x4)\n"
        "x6 = first(x4)\nx7 = rbind(fill, x6)\nx8 = square(I)\nx9 = ofcolor(I, FIVE)\nO = hconcat(I, I)"
    )
    program = Symbols.pack([parse(text)])
    grid = np.array([[0, 1], [2, 0]], np.int8)
    kinds = observed_kinds(program, GridTable.pack([grid]), np.array([0]))
    names = [str(KINDS[kind]) for kind in kinds]
    # Objects of a set have sizes; an empty set is what it is declared as; what fails leaves the declared type.
    assert names[:2] == ["Pair", "Pair"]
    assert names[3:6] == ["Objects", "IntegerSet", "Object"]
    assert names[6:] == ["Function", "Boolean", "Indices", "Grid"]
