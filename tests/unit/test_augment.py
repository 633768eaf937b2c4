"""Transforms of grids: what they are, and for which programs they keep the meaning."""

from itertools import product

import numpy as np
import pytest

from engine.augment import COLORS, IDENTITY, SYMMETRIES, Transform, draw_transform, draw_variants
from engine.tasks import Task
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine.machine import Machine

GRID = np.array([[0, 1, 2], [3, 4, 5]], np.int8)
SWAPPED = Transform(colors=(0, 2, 1, 3, 4, 5, 6, 7, 8, 9))


def same(a, b):
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def outputs(program, grids):
    jobs = np.array([(0, k) for k in range(len(grids))], np.int32)
    return list(Machine().run(Code.assemble([parse(program)]), GridTable.pack(grids), jobs).outputs)


def commutes(program, transform, grid=GRID):
    return transform.commutes(outputs(program, [grid]), outputs(program, [transform(grid)]))


def task(*inputs):
    grids = tuple(np.array(grid, np.int8) for grid in inputs)
    return Task("t", grids, grids, grids[:1], grids[:1])


def test_the_symmetries_are_a_group_of_eight():
    turned = {name: Transform(name)(GRID) for name in SYMMETRIES}
    assert len({(grid.shape, grid.tobytes()) for grid in turned.values()}) == 8
    for first, second in product(SYMMETRIES, repeat=2):
        both = Transform(second)(turned[first])
        assert sum(same(both, grid) for grid in turned.values()) == 1
    for first in SYMMETRIES:
        assert sum(same(Transform(second)(turned[first]), GRID) for second in SYMMETRIES) == 1


@pytest.mark.parametrize("name", [name for name in SYMMETRIES if name != IDENTITY])
def test_a_symmetry_is_the_primitive_of_its_name(name):
    assert same(Transform(name)(GRID), outputs(f"O = {name}(I)", [GRID])[0])


@pytest.mark.parametrize("colors", ["none", "keep-0", "all"])
def test_drawn_transforms_permute_the_colors_that_they_may(colors):
    generator = np.random.default_rng(0)
    drawn = [draw_transform(generator, colors) for _ in range(300)]
    assert all(sorted(transform.colors) == list(COLORS) for transform in drawn)
    assert all(transform != Transform() for transform in drawn)
    assert {transform.symmetry for transform in drawn} >= {name for name in SYMMETRIES if name != IDENTITY}
    assert any(transform.colors != COLORS for transform in drawn) == (colors != "none")
    assert any(transform.colors[0] != 0 for transform in drawn) == (colors == "all")


def test_a_transform_names_its_variant():
    names = [Transform("rot90").name, SWAPPED.name, Transform("rot90", SWAPPED.colors).name]
    assert names == ["rot90", "colors-0213456789", "rot90~colors-0213456789"]
    variant = Transform("rot90", SWAPPED.colors).task(task(GRID))
    assert variant.id == "t~rot90~colors-0213456789"
    assert all(grid.tolist() == [[3, 0], [4, 2], [5, 1]] for grid in (*variant.inputs, *variant.test_outputs))


@pytest.mark.parametrize(
    ("program", "transform", "expected"),
    [
        ("O = hmirror(I)", Transform("hmirror"), True),
        ("O = hmirror(I)", Transform("rot180"), True),
        ("O = hmirror(I)", SWAPPED, True),
        ("O = hmirror(I)", Transform("rot90"), False),
        ("O = rot90(I)", Transform("rot270"), True),
        ("O = rot90(I)", Transform("dmirror"), False),
        ("O = replace(I, THREE, FOUR)", SWAPPED, True),
        ("O = replace(I, ONE, FOUR)", SWAPPED, False),
        ("O = replace(I, ONE, FOUR)", Transform("cmirror"), True),
        ("O = size(I)", Transform("rot90"), True),  # no grid on either
    ],
)
def test_a_program_commutes_with_what_its_meaning_allows(program, transform, expected):
    assert commutes(program, transform) == expected


def test_a_program_that_fails_on_one_of_the_two_does_not_commute():
    assert not Transform("rot90").commutes([GRID, None], [Transform("rot90")(GRID), GRID])
    assert not Transform("rot90").commutes([GRID, GRID], [Transform("rot90")(GRID), None])
    assert Transform("rot90").commutes([GRID, None], [Transform("rot90")(GRID), None])


def test_variants_differ_from_the_task_and_from_each_other():
    original = task(GRID, GRID[:1])
    variants = draw_variants(original, 16, np.random.default_rng(0), "keep-0")
    assert len(variants) == 16
    assert [*variants] == [*draw_variants(original, 16, np.random.default_rng(0), "keep-0")]
    inputs = [tuple(grid.tobytes() for grid in each.inputs) for each in (original, *variants.values())]
    assert len(set(inputs)) == 17
    assert len(draw_variants(original, 16, np.random.default_rng(0), "none")) == 7
    assert draw_variants(task([[0]]), 16, np.random.default_rng(0), "keep-0") == {}
