"""Properties of the machine and of primitives, on programs and grids that Hypothesis makes up."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interpreter.grids import MAX_COLOR, MAX_SIDE, GridTable, is_valid
from interpreter.language.bytecode import Code
from interpreter.language.grammar import Grammar, Phase
from interpreter.language.program import parse
from interpreter.language.vocabulary import detokenize, tokenize
from interpreter.machine.machine import DEFAULT_FUEL, Machine
from interpreter.runtime.outcome import Outcome

PROFILE = settings(max_examples=200, deadline=None, derandomize=True)
GRAMMARS = [Grammar(40), Grammar(60, typed=True)]


@cache
def machine():
    return Machine()


def grids(max_side=12, colors=MAX_COLOR):
    sides = st.integers(1, max_side)
    return st.tuples(sides, sides).flatmap(lambda shape: arrays(np.int8, shape, elements=st.integers(0, colors)))


@st.composite
def programs(draw):
    """A walk through the grammar; each token is drawn from those that may come next."""
    grammar = draw(st.sampled_from(GRAMMARS))
    state, tokens = grammar.start(), []
    while state.phase is not Phase.DONE:
        allowed = np.flatnonzero(grammar.allowed(state))
        tokens.append(int(allowed[draw(st.integers(0, len(allowed) - 1))]))
        state = grammar.advance(state, tokens[-1])
    return detokenize(tokens)


def run(texts, grid):
    """The outputs of programs on one grid."""
    code = Code.assemble([parse(text) for text in texts])
    return machine().run(code, GridTable.pack([grid]), np.array([(k, 0) for k in range(len(texts))], np.int32))


def same(grid, *texts):
    """Whether programs give the same valid grid."""
    outputs = list(run(texts, grid).outputs)
    return outputs[0] is not None and all(o is not None and np.array_equal(o, outputs[0]) for o in outputs)


# ------------------------------------------------------------------------------------- wild programs


@PROFILE
@given(programs())
def test_a_program_is_its_text_and_its_tokens(program):
    assert parse(program.text) == program
    assert parse(program.text).text == program.text
    assert detokenize(tokenize(program)) == program
    assert program.pruned().pruned() == program.pruned()


@PROFILE
@given(st.lists(programs(), min_size=1, max_size=8), st.lists(grids(), min_size=1, max_size=4), st.randoms())
def test_a_run_is_the_same_in_any_batch_and_its_end_is_typed(batch, inputs, random):
    code, table = Code.assemble(batch), GridTable.pack(inputs)
    jobs = np.array([(k, j) for k in range(len(batch)) for j in range(len(inputs))], np.int32)
    runs = machine().run(code, table, jobs)
    order = np.array(random.sample(range(len(jobs)), random.randint(1, len(jobs))), np.int64)
    again = machine().run(code, table, jobs[order])
    for ours, theirs in zip(again.arrays(), runs.take(order).arrays(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    for output, outcome, fuel in zip(runs.outputs, runs.outcomes, runs.fuel, strict=True):
        assert Outcome(outcome) not in (Outcome.INTERNAL_ERROR, Outcome.CRASHED)
        assert (output is not None) == (outcome == Outcome.OK)
        assert output is None or is_valid(output)
        assert 0 < fuel <= DEFAULT_FUEL


@PROFILE
@given(st.lists(programs(), min_size=1, max_size=8), grids(MAX_SIDE), st.integers(1, 3000))
def test_less_fuel_and_memory_end_runs_earlier_and_change_no_result(batch, grid, fuel):
    code, table = Code.assemble(batch), GridTable.pack([grid])
    jobs = np.array([(k, 0) for k in range(len(batch))], np.int32)
    plenty, little = machine().run(code, table, jobs), Machine(fuel, 1 << 13).run(code, table, jobs)
    for k in range(len(batch)):
        if Outcome(little.outcomes[k]) in (Outcome.OUT_OF_FUEL, Outcome.OUT_OF_MEMORY):
            continue
        assert little.outcomes[k] == plenty.outcomes[k]
        assert little.fuel[k] == min(plenty.fuel[k], fuel)
        assert np.array_equal(little.outputs[k], plenty.outputs[k]) or little.outputs[k] is plenty.outputs[k] is None


# ---------------------------------------------------------------------------------------- primitives

IDENTITIES = {
    "mirroring twice": "x1 = {0}(I)\nO = {0}(x1)",
    "half a turn twice": "x1 = rot180(I)\nO = rot180(x1)",
    "a quarter turn and back": "x1 = rot90(I)\nO = rot270(x1)",
    "four quarter turns": "x1 = power(rot90, FOUR)\nO = x1(I)",
    "scaling up and down": "x1 = upscale(I, THREE)\nO = downscale(x1, THREE)",
    "halves of a grid beside itself": "x1 = hconcat(I, I)\nO = lefthalf(x1)",
    "halves of a grid above itself": "x1 = vconcat(I, I)\nO = bottomhalf(x1)",
    "painting its own cells": "x1 = asobject(I)\nO = paint(I, x1)",
    "painting the objects of a grid": "x1 = objects(I, T, F, F)\nx2 = merge(x1)\nO = paint(I, x2)",
    "painting the objects without background": "x1 = objects(I, F, T, T)\nx2 = merge(x1)\nO = paint(I, x2)",
    "painting the colours of a grid": "x1 = partition(I)\nx2 = merge(x1)\nO = paint(I, x2)",
    "the box of all cells": "x1 = asindices(I)\nO = subgrid(x1, I)",
    "exchanging colours twice": "x1 = switch(I, ONE, TWO)\nO = switch(x1, TWO, ONE)",
    "agreeing with itself": "O = cellwise(I, I, ZERO)",
    "cutting out all of it": "x1 = shape(I)\nO = crop(I, ORIGIN, x1)",
    "joining its rows": "x1 = height(I)\nx2 = vsplit(I, x1)\nO = merge(x2)",
    "mirroring its cells": "x1 = asobject(I)\nx2 = vmirror(x1)\nx3 = paint(I, x2)\nO = vmirror(x3)",
}
MIRRORS = ("hmirror", "vmirror", "dmirror", "cmirror")


@PROFILE
@given(grids(9, colors=3))
def test_what_gives_the_grid_back(grid):
    texts = [
        text.format(mirror) for text in IDENTITIES.values() for mirror in (MIRRORS if "{" in text else MIRRORS[:1])
    ]
    for text, output in zip(texts, run(texts, grid).outputs, strict=True):
        assert output is not None, text
        assert np.array_equal(output, grid), text


EQUALS = {
    "a quarter turn is two mirrorings": ("O = rot90(I)", "x1 = dmirror(I)\nO = vmirror(x1)"),
    "half a turn is two mirrorings": ("O = rot180(I)", "x1 = hmirror(I)\nO = vmirror(x1)"),
    "scaling is scaling both ways": ("O = upscale(I, TWO)", "x1 = hupscale(I, TWO)\nO = vupscale(x1, TWO)"),
    "replacing is filling": ("O = replace(I, ONE, TWO)", "x1 = ofcolor(I, ONE)\nO = fill(I, TWO, x1)"),
    "moving is covering and painting": (
        "x1 = asobject(I)\nO = move(I, x1, UNITY)",
        "x1 = asobject(I)\nx2 = cover(I, x1)\nx3 = shift(x1, UNITY)\nO = paint(x2, x3)",
    ),
    "filling is painting in one colour": (
        "x1 = ofcolor(I, ZERO)\nO = fill(I, FIVE, x1)",
        "x1 = ofcolor(I, ZERO)\nx2 = recolor(FIVE, x1)\nO = paint(I, x2)",
    ),
    "a box and what it lacks": (
        "x1 = ofcolor(I, ZERO)\nx2 = backdrop(x1)\nO = fill(I, FIVE, x2)",
        "x1 = ofcolor(I, ZERO)\nx2 = delta(x1)\nx3 = combine(x1, x2)\nO = fill(I, FIVE, x3)",
    ),
    "the order of a union": (
        "x1 = ofcolor(I, ZERO)\nx2 = ofcolor(I, ONE)\nx3 = combine(x1, x2)\nO = fill(I, FIVE, x3)",
        "x1 = ofcolor(I, ZERO)\nx2 = ofcolor(I, ONE)\nx3 = combine(x2, x1)\nO = fill(I, FIVE, x3)",
    ),
}


@pytest.mark.parametrize("texts", EQUALS.values(), ids=EQUALS)
@settings(PROFILE, max_examples=25)
@given(grids(9, colors=2))
def test_two_ways_to_the_same_grid(texts, grid):
    assert same(grid, *texts)


TABLES = {
    "a pair in a longer tuple": ("x1 = mapply(neighbors, I)\nO = fill(I, ONE, x1)", [[1, 1, 1], [1, 1, 1]]),
    "a grid as a patch": ("O = subgrid(I, I)", [[1, 0], [2, 0]]),
    "rows that are not equally long": (
        "x1 = tophalf(I)\nx2 = lefthalf(I)\nx3 = vconcat(x1, x2)\nx4 = asobject(x3)\nO = paint(I, x4)",
        [[0, 1, 0], [0, 2, 0]],
    ),
    "objects as rows": (
        "x1 = objects(I, T, F, F)\nx2 = ofcolor(x1, ONE)\nO = fill(I, FIVE, x2)",
        [[0, 1, 0], [1, 2, 0]],
    ),
    "a colour that is no number": (
        "x1 = replace(I, TWO, DOWN)\nx2 = ofcolor(x1, DOWN)\nO = fill(I, FIVE, x2)",
        [[0, 1, 0], [1, 5, 0]],
    ),
    "a cell as a location": (
        "x1 = astuple(ONE, DOWN)\nx2 = hfrontier(x1)\nO = fill(I, FIVE, x2)",
        [[0, 1, 0], [5, 5, 5]],
    ),
}


@pytest.mark.parametrize(("text", "output"), TABLES.values(), ids=TABLES)
def test_what_is_no_grid_is_indexed_as_python_does(text, output):
    """A few of the cases that the differential fuzzer (`codeit bench differential`) compares with arc-dsl."""
    grid = np.array([[0, 1, 0], [1, 2, 0]], np.int8)
    assert run([text], grid).outputs[0].tolist() == output


MIXED = "x1 = initset(ORIGIN)\nx2 = recolor(ONE, x1)\nx3 = insert(UNITY, x2)\nO = {}"


@pytest.mark.parametrize("call", ["fill(I, ONE, x3)", "paint(I, x3)", "subgrid(x3, I)", "cover(I, x3)"])
def test_cells_and_locations_in_one_patch_are_a_mismatch(call):
    runs = run([MIXED.format(call)], np.ones((3, 3), np.int8))
    assert Outcome(runs.outcomes[0]) is Outcome.TYPE_MISMATCH
