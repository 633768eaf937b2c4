"""Composition: what is mined, what is written, and what comes out for a task."""

import dataclasses

import numpy as np
import pytest

from engine.search.composition import writing
from engine.search.composition.calls import program_of
from engine.search.composition.composer import Budget, Composer
from engine.search.composition.ingredients import Ingredient
from engine.search.composition.library import Librarian
from engine.search.composition.macro import Macro, parts, pattern
from engine.search.composition.patterns import patterns
from engine.search.composition.values import INVERSES, SYMMETRIES, turned
from engine.search.workers import Workers
from engine.tasks import Task
from interpreter.fitting.layers import ALL, EXCEPT, ONLY, OWN, Layer
from interpreter.fitting.sheet import NONE
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Line, Program, canonical, check, parse
from interpreter.machine.kinds import GRID
from interpreter.machine.machine import Machine

BUDGET = Budget(runs=(300_000,), pieces=500, hits=100, near=10, paired=100, stacks=30)
SOLVER = parse("x1 = hmirror(I)\nx2 = ofcolor(x1, THREE)\nx3 = fill(x1, FIVE, x2)\nO = vconcat(x3, I)")


def outputs_of(program, grids):
    jobs = np.array([(0, k) for k in range(len(grids))], np.int32)
    return list(Machine().run(Code.assemble([program]), GridTable.pack(grids), jobs).outputs)


def random_grids(seed, count, side=5, colors=4):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, colors, (side, side + 1)).astype(np.int8) for _ in range(count)]


def task_of(program, seed=0, tests=1):
    grids = random_grids(seed, 3 + tests)
    outputs = outputs_of(program, grids)
    return Task("made", tuple(grids[:3]), tuple(outputs[:3]), tuple(grids[3:]), tuple(outputs[3:]))


@pytest.fixture(scope="module")
def workers():
    with Workers(1, 200_000, 200_000) as threads:
        yield threads


@pytest.fixture(scope="module")
def librarian(workers):
    librarian = Librarian([task_of(SOLVER, seed) for seed in range(8)], workers)
    librarian.learn([(task_of(SOLVER), SOLVER)])
    return librarian


def compose(workers, library, task, near=(), without_own=False):
    composer = Composer(task, library, library.usable(task, without_own), near)
    return workers.map(lambda worker, _: composer.compose(worker, BUDGET), [0])[0], composer.runs


# -------------------------------------------------------------------------------------------- macros


def test_macros_of_a_program_are_what_depends_on_one_grid_alone():
    found = {part.text for part in parts(SOLVER, [GRID, 0, GRID, GRID])}
    assert found == {
        "O = hmirror(I)",
        "x1 = hmirror(I)\nx2 = ofcolor(x1, THREE)\nO = fill(x1, FIVE, x2)",
        SOLVER.text,
        "x1 = ofcolor(I, THREE)\nO = fill(I, FIVE, x1)",
    }


def test_colors_become_slots_and_come_back():
    slotted, colors = pattern(parse("x1 = ofcolor(I, THREE)\nx2 = fill(I, FIVE, x1)\nO = replace(x2, THREE, ZERO)"))
    assert colors == (3, 5)
    assert slotted.lines[0].arguments == ("I", "c0")
    assert Macro(slotted).filled(colors).lines[2].arguments == ("x2", "THREE", "ZERO")
    assert pattern(parse("O = upscale(I, THREE)"))[1] == ()  # a number, no colour


def test_every_pattern_is_a_program_once_its_slots_are_filled():
    texts = set()
    for each in patterns():
        check(Macro(each).filled((1, 2)))
        texts.add(each.text)
    assert len(texts) > 2_000


def test_a_library_has_each_behaviour_once_and_knows_whose_it_is(librarian):
    library = librarian.library()
    texts = [library.symbols.program(k).text for k in range(len(library))]
    assert len(set(texts)) == len(texts)
    assert list(library.cost) == sorted(library.cost)
    whole = texts.index(SOLVER.text)
    assert library.owner[whole] == "made"
    task = task_of(SOLVER)
    assert whole in library.usable(task, without_own=False)
    assert whole not in library.usable(task, without_own=True)


def test_a_library_grows_as_if_it_had_been_made_at_once(workers):
    other = parse("x1 = vmirror(I)\nO = fill(x1, TWO, ORIGIN)")
    tasks = [task_of(SOLVER, seed) for seed in range(4)]
    grown, made = (Librarian(tasks, workers) for _ in range(2))
    grown.learn([(tasks[0], SOLVER)])
    grown.library()
    grown.learn([(tasks[1], other)])
    made.learn([(tasks[0], SOLVER), (tasks[1], other)])
    one, two = grown.library(), made.library()
    assert np.array_equal(one.symbols.rows, two.symbols.rows)
    assert np.array_equal(one.cost, two.cost)


def test_a_library_does_without_what_is_left_out(workers):
    def texts(*without):
        librarian = Librarian([task_of(SOLVER, seed) for seed in range(4)], workers, without)
        librarian.learn([(task_of(SOLVER), SOLVER)])
        library = librarian.library()
        return {library.symbols.program(k).text for k in range(len(library))}

    whole = texts()
    assert SOLVER.text in whole - texts(Ingredient.MINED)
    assert len(texts(Ingredient.PATTERNS)) < 200 < len(whole)
    assert "O = rot90(I)" in whole - texts(Ingredient.PATTERNS)
    assert "O = replace(I, ONE, TWO)" in whole - texts(Ingredient.COLORS)
    assert SOLVER.text in texts(Ingredient.COLORS, Ingredient.PATTERNS)
    assert not texts(Ingredient.MINED, Ingredient.PATTERNS)


def test_a_budget_has_nothing_for_what_is_left_out(workers, librarian):
    library, task = librarian.library(), task_of(parse("x1 = hmirror(I)\nx2 = rot90(x1)\nO = switch(x2, ONE, TWO)"))
    terminal = (Ingredient.SYMMETRIES, Ingredient.COLOR_MAPS, Ingredient.PAIR_TABLES, Ingredient.STACKS)

    def kinds(*without):
        composer = Composer(task, library, library.usable(task, without_own=False), ())
        budget = BUDGET.without(without)
        return {one.kind for one in workers.map(lambda worker, _: composer.compose(worker, budget), [0])[0]}

    whole = kinds()
    assert {"composition", "symmetry", "color map", "pair table", "stack"} <= whole
    for ingredient in terminal:
        gone = {kind for kind in whole if kind in ingredient.value.replace("-", " ").replace("ies", "y")}
        assert whole - kinds(ingredient) == gone != set()
    assert kinds(Ingredient.DEPTH, *terminal) == whole & {"macro"}


# ------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_symmetries_are_those_of_the_language(symmetry):
    grid = random_grids(0, 1)[0]
    image = outputs_of(Program((Line(symmetry, ("I",)),)), [grid])[0]
    assert np.array_equal(image, turned(grid, symmetry))
    assert np.array_equal(turned(image, INVERSES.get(symmetry, symmetry)), grid)


def test_equal_calls_are_written_once():
    program = writing.composition([parse("O = hmirror(I)"), parse("x1 = hmirror(I)\nO = vconcat(x1, I)")])
    assert program.text == canonical(program.text)
    assert len(program.lines) == 3


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_a_stack_is_written_as_it_was_built(seed, is_whole):
    generator = np.random.default_rng(seed)
    grid = random_grids(seed, 1)[0]
    steps = [[], [parse("O = vmirror(I)")], [parse("O = hmirror(I)")]]
    pieces = [grid, grid[:, ::-1], grid[::-1]]
    layers = [
        Layer(int(generator.integers(3)), form, int(generator.integers(4)), paint)
        for form, paint in zip(
            generator.choice([EXCEPT, ONLY], 3).tolist(), generator.choice([OWN, 5, 7], 3).tolist(), strict=True
        )
    ]
    layers = [Layer(one.piece, one.form, one.color, 6) if (one.form, one.paint) == (ONLY, OWN) else one
              for one in layers]  # fmt: skip
    if is_whole:
        layers.append(Layer(1, ALL, 0, OWN))
    expected = np.zeros_like(grid)
    for layer in reversed(layers):
        piece = pieces[layer.piece]
        cells = {ALL: piece >= 0, ONLY: piece == layer.color, EXCEPT: piece != layer.color}[layer.form]
        expected[cells] = piece[cells] if layer.paint == OWN else layer.paint
    program = writing.stack(layers, dict(enumerate(steps)), is_whole)
    assert np.array_equal(outputs_of(program, [grid])[0], expected)


@pytest.mark.parametrize("seed", range(6))
def test_tables_are_written_as_they_are(seed):
    generator = np.random.default_rng(seed)
    grid = random_grids(seed, 1)[0]
    table = np.full((10, 10), NONE, np.int8)
    table[:4, :4] = generator.integers(0, 10, (4, 4))
    program = writing.pair_table([], [parse("O = vmirror(I)")], table)
    assert np.array_equal(outputs_of(program, [grid])[0], table[grid, grid[:, ::-1]])
    program = writing.color_map([], table[0])
    assert np.array_equal(outputs_of(program, [grid])[0], table[0][grid])


# ------------------------------------------------------------------------------------------- composing


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("O = rot90(I)", "macro"),
        ("x1 = hmirror(I)\nx2 = hconcat(I, x1)\nx3 = vmirror(x2)\nO = vconcat(x2, x3)", "composition"),
        ("x1 = vmirror(I)\nx2 = replace(x1, ONE, SEVEN)\nx3 = replace(x2, TWO, NINE)\nO = replace(x3, ZERO, EIGHT)",
         "color map"),
        ("x1 = vmirror(I)\nx2 = ofcolor(x1, TWO)\nx3 = hmirror(I)\nO = fill(x3, SIX, x2)", "stack"),
    ],
)  # fmt: skip
def test_a_task_is_solved_by_programs_that_the_machine_agrees_with(workers, librarian, program, kind):
    task = task_of(parse(program), seed=5)
    found, runs = compose(workers, librarian.library(), task)
    assert runs > 0
    assert kind in {one.kind for one in found}
    right = [
        one
        for one in found
        if all(
            output is not None and np.array_equal(output, want)
            for output, want in zip(
                outputs_of(one.program, [*task.inputs, *task.test_inputs]),
                [*task.outputs, *task.test_outputs],
                strict=True,
            )
        )
    ]
    assert right


def test_what_is_found_is_right_on_a_demonstration(workers, librarian):
    task = task_of(parse("x1 = vmirror(I)\nx2 = ofcolor(x1, TWO)\nx3 = hmirror(I)\nO = fill(x3, SIX, x2)"), seed=7)
    found, _ = compose(workers, librarian.library(), task)
    for one in found:
        outputs = outputs_of(one.program, task.inputs)
        assert any(o is not None and np.array_equal(o, y) for o, y in zip(outputs, task.outputs, strict=True))


def test_test_outputs_change_nothing_and_the_same_comes_out_again(workers, librarian):
    task = task_of(SOLVER, seed=3)
    scrambled = dataclasses.replace(task, test_outputs=tuple(random_grids(9, 1)))
    first, again, other = (
        [(one.program.text, one.cost) for one in compose(workers, librarian.library(), each)[0]]
        for each in (task, task, scrambled)
    )
    assert first
    assert first == again == other


def test_near_programs_are_pieces(workers, librarian):
    near = parse("x1 = trim(I)\nx2 = upscale(x1, TWO)\nx3 = trim(x2)\nO = trim(x3)")
    task = task_of(parse(near.text.replace("O =", "x4 =") + "\nO = vmirror(x4)"), seed=4)
    found, _ = compose(workers, librarian.library(), task, near=[near])
    assert any("upscale" in one.program.text for one in found)


# ------------------------------------------------------------------------------------------- patterns


def grid_of(*rows):
    return np.array([[".123456789".index(cell) for cell in row] for row in rows], np.int8)


@pytest.fixture(scope="module")
def given():
    return {each.text for each in patterns()}


@pytest.mark.parametrize(
    ("calls", "before", "after"),
    [
        pytest.param(
            ["tojvec(TWO)", "shape(I)", "canvas(ZERO, x2)", "asobject(I)", "shift(x4, x1)", "paint(x3, x5)"],
            ["12345", "54321"], ["..123", "..543"],
            id="the grid further away",
        ),
        pytest.param(
            ["objects(I, T, F, T)", "merge(x1)", "shift(x2, RIGHT)", "underpaint(I, x3)"],
            ["1..2", "...."], ["11.2", "...."],
            id="cells a step further where nothing is",
        ),
        pytest.param(
            ["fgpartition(I)", "lbind(prapply, connect)", "fork(x2, toindices, toindices)", "compose(merge, x3)",
             "fork(recolor, color, x4)", "mapply(x5, x1)", "paint(I, x6)"],
            ["1..1", "2...", "2..3", "...."], ["1111", "2...", "2..3", "...."],
            id="lines between cells of each colour",
        ),
        pytest.param(
            ["objects(I, T, F, T)", "rbind(toobject, I)", "chain(mostcolor, x2, outbox)",
             "fork(recolor, x3, toindices)", "mapply(x4, x1)", "paint(I, x5)"],
            ["2222", "2122", "2223", "2222"], ["2222", "2222", "2222", "2222"],
            id="objects in the colour of what is around them",
        ),
        pytest.param(
            ["objects(I, F, T, T)", "merge(x1)", "hperiod(x2)", "interval(ZERO, TEN, ONE)", "lbind(multiply, x3)",
             "apply(x5, x4)", "apply(tojvec, x6)", "lbind(shift, x2)", "mapply(x8, x7)", "paint(I, x9)"],
            ["12312....", "........."], ["123123123", "........."],
            id="what is there with its period",
        ),
        pytest.param(
            ["dmirror(I)", "rbind(order, positive)", "apply(x2, x1)", "dmirror(x3)"],
            ["12.", "..3", "4.."], ["...", "1..", "423"],
            id="cells that fall",
        ),
        pytest.param(
            ["frontiers(I)", "merge(x1)", "shape(I)", "canvas(ONE, x3)", "fill(x4, ZERO, x2)",
             "objects(x5, T, F, F)", "colorfilter(x6, ONE)", "rbind(subgrid, I)", "compose(asobject, x8)",
             "mapply(x9, x7)", "matcher(first, ZERO)", "compose(flip, x11)", "sfilter(x10, x12)", "lbind(shift, x13)",
             "compose(x14, ulcorner)", "mapply(x15, x7)", "paint(I, x16)"],
            ["1.4..", "..4..", "44444", "..4..", "..4.."], ["1.41.", "..4..", "44444", "1.41.", "..4.."],
            id="what lies between lines in all places",
        ),
        pytest.param(
            ["objects(I, T, F, T)", "rbind(shoot, UNITY)", "compose(x2, lrcorner)", "fork(recolor, color, x3)",
             "mapply(x4, x1)", "underpaint(I, x5)"],
            ["2...", "....", "....", "...."], ["2...", ".2..", "..2.", "...2"],
            id="rays from corners",
        ),
        pytest.param(
            ["palette(I)", "remove(ZERO, x1)", "size(x2)", "upscale(I, x3)"],
            ["1.", ".2"], ["11..", "11..", "..22", "..22"],
            id="as large as there are colours",
        ),
        pytest.param(
            ["objects(I, T, F, T)", "argmax(x1, size)", "outbox(x2)", "subgrid(x3, I)"],
            [".....", ".11..", ".....", "....2"], ["....", ".11.", "...."],
            id="an object with what is around it",
        ),
        pytest.param(
            ["objects(I, F, T, T)", "argmax(x1, size)", "remove(x2, x1)", "apply(center, x3)", "center(x2)",
             "invert(x5)", "shift(x2, x6)", "lbind(shift, x7)", "mapply(x8, x4)", "paint(I, x9)"],
            ["121..", ".....", "...3.", "....."], ["121..", ".....", "..121", "....."],
            id="an object stamped where the others have their centres",
        ),
        pytest.param(
            ["objects(I, T, F, T)", "height(I)", "decrement(x2)", "lbind(subtract, x3)", "chain(toivec, x4, lowermost)",
             "fork(shift, identity, x5)", "mapply(x6, x1)", "merge(x1)", "cover(I, x8)", "paint(x9, x7)"],
            ["1.2", "1..", "..."], ["...", "1..", "1.2"],
            id="objects moved to the edge",
        ),
        pytest.param(
            ["objects(I, F, F, T)", "merge(x1)", "shape(x2)", "increment(x3)", "interval(ONE, TEN, ONE)",
             "multiply(x4, RIGHT)", "lbind(multiply, x6)", "apply(x7, x5)", "lbind(shift, x2)", "mapply(x9, x8)",
             "paint(I, x10)"],
            ["12......"], ["12.12.12"],
            id="what is there again and again with a gap",
        ),
        pytest.param(
            ["objects(I, F, T, T)", "valmax(x1, shape)", "mostcolor(I)", "canvas(x3, x2)", "apply(normalize, x1)",
             "lbind(subtract, x2)", "chain(halve, x6, shape)", "fork(shift, identity, x7)", "mapply(x8, x5)",
             "paint(x4, x9)"],
            ["111..", "1.1..", "111.2", "....."], ["111", "121", "111"],
            id="objects around one centre",
        ),
    ],
)  # fmt: skip
def test_patterns_give(given, calls, before, after):
    program = program_of(calls)
    assert program.text in given
    assert outputs_of(program, [grid_of(*before)])[0].tolist() == grid_of(*after).tolist()


def test_rectangles_of_the_ground_are_found():
    (one,) = [each for each in patterns() if each.text.startswith("x1 = astuple(TWO, TWO)\nx2 = canvas(ZERO, x1)")
              and "outbox" not in each.text and "compose" not in each.text]  # fmt: skip
    program = Macro(one).filled((8,))
    assert (
        outputs_of(program, [grid_of("1..1", "1..1", "1111")])[0].tolist() == grid_of("1881", "1881", "1111").tolist()
    )


def test_what_has_a_color_is_moved_to_what_has_another():
    (one,) = [each for each in patterns() if "move(I, x4, x3)" in each.text]
    program = Macro(one).filled((1, 2))
    assert outputs_of(program, [grid_of("1....", "....2"), grid_of("1..2")])[1].tolist() == [[0, 0, 1, 2]]
