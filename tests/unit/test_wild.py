"""Wild programs: mutants are programs, differ, come in both kinds, and are the same for the same seed."""

import numpy as np

from bench.material.wild import mutant, mutate_untyped, walk
from interpreter.language.grammar import Grammar
from interpreter.language.program import check, parse
from interpreter.language.type_check import is_well_typed
from interpreter.primitives import PRIMITIVES

REAL = parse(
    "x1 = objects(I, T, F, T)\nx2 = rbind(colorfilter, ONE)\nx3 = x2(x1)\nx4 = merge(x3)\nx5 = fill(I, TWO, x4)\n"
    "O = hconcat(x5, I)"
)


def some(make, n=300, seed=0):
    generator = np.random.default_rng(seed)
    return [make(generator) for _ in range(n)]


def test_mutants_are_pruned_programs_that_differ():
    for changed in some(lambda generator: mutant(REAL, generator)):
        check(changed)
        assert changed != REAL
        assert changed.pruned() == changed


def test_the_same_seed_gives_the_same_mutants():
    assert some(lambda generator: mutant(REAL, generator)) == some(lambda generator: mutant(REAL, generator))


def test_half_of_the_mutants_ignore_types():
    share = np.mean([is_well_typed(changed) for changed in some(lambda generator: mutant(REAL, generator))])
    assert 0.5 < share < 0.9


def test_untyped_changes_put_any_kind_of_name_in_any_place():
    changed = some(lambda generator: mutate_untyped(REAL, generator), 1000)
    names = {name for program in changed for line in program.lines for name in line.arguments}
    assert {"I", "TEN", "UP_RIGHT"} <= names
    assert len(names & set(PRIMITIVES)) > 50
    assert {line.function for program in changed for line in program.lines} > {"x2", "hconcat", "vconcat", "apply"}


def test_walks_are_programs():
    for program in some(lambda generator: walk(Grammar(30), generator), 50):
        check(program)
