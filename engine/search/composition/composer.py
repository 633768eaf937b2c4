"""The search for one task: values breadth first, then fits and stacks of those that have the shapes of the outputs.

Depth 1 applies every usable macro to the input. Depth 2 applies them to the distinct values of depth 1, the cheap ones
first, on the smallest demonstration alone, where nothing but the digest of an output is known: what gives the wanted
output, or its image under a symmetry of the square, is written as a program; of what gives another grid of its shape
the cheapest are run on all inputs, as pieces. Depth 3 does so with the pieces that are most like the outputs.

Test inputs are run, test outputs are not known here. Budgets are numbers of runs, so that what comes out does not
depend on the machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engine.search.composition import writing
from engine.search.composition.ingredients import Ingredient
from engine.search.composition.library import FUEL, LINE, QUICK_FUEL, Library
from engine.search.composition.values import INVERSES, SYMMETRIES, Steps, Values, turned
from engine.search.workers import Worker
from engine.tasks import Task
from interpreter.fitting.layers import Stacker
from interpreter.fitting.sheet import NONE, WORD, Sheet
from interpreter.fitting.tables import COLORS, color_maps, pair_table, pair_tables
from interpreter.grids import GridTable
from interpreter.language.bytecode import order_by_lines
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols
from interpreter.runtime.digests import grid_digests, shapes_of

STEP = 1.0  # the price of one more step, beside that of its macro, in bits
TURN = 1.0  # of a symmetry
LAYER = 1.5  # of a layer
HOLE = 3.0  # of cells of a test that no layer paints
LIKENESS = 12.0  # what a value that equals the outputs is worth, to go on from
UNKNOWN = 2.0  # of a program that is no macro, beside its lines

SYMMETRY = "symmetry"  # the kind of a program whose last step turns what is right when turned


@dataclass(frozen=True)
class Budget:
    """How much is done for a task."""

    runs: tuple[int, ...]
    """of programs on a grid at depths 2, 3, ..."""
    pieces: int
    """values of a depth that are run on all inputs"""
    hits: int
    """programs that give a wanted output and are written"""
    near: int
    """programs that came near which are tried as macros"""
    paired: int
    """pieces that are tried in pairs"""
    stacks: int
    """stacks that are built of a set of pieces"""
    layers: int = 8
    """of a stack, at most"""
    wide: int = 100
    """pieces that are tried in pairs with all others"""
    conjugated: int = 800
    """macros that are tried under each symmetry, as pieces; with none, turned outputs do not count as hits either"""
    maps_colors: bool = True
    """whether pieces are fitted by colour maps"""

    def without(self, ingredients: Collection[Ingredient]) -> Budget:
        """The same, nothing for these."""
        spared = {
            Ingredient.DEPTH: {"runs": ()},
            Ingredient.SYMMETRIES: {"conjugated": 0},
            Ingredient.COLOR_MAPS: {"maps_colors": False},
            Ingredient.PAIR_TABLES: {"paired": 0},
            Ingredient.STACKS: {"stacks": 0},
        }
        changes = [spared[one] for one in ingredients if one in spared]
        return replace(self, **{name: value for change in changes for name, value in change.items()})


@dataclass(frozen=True)
class Composed:
    """A program that was found, by the price and the kind of what it is written of."""

    program: Program
    cost: float
    kind: str


class Composer:
    """A task and what may be of use for it: macros of a library, and programs that come near."""

    def __init__(
        self,
        task: Task,
        library: Library,
        usable: npt.NDArray[np.int64],
        near: Sequence[Program],
        seed: tuple[int, ...] = (0,),
    ) -> None:
        self._task = task
        self._inputs = GridTable.pack([*task.inputs, *task.test_inputs])
        self._wanted = grid_digests(GridTable.pack(task.outputs))
        self._smallest = int(np.argmin([a.size + b.size for a, b in task.demonstrations]))
        self._rng = np.random.default_rng(seed)
        turns = Symbols.pack([Program((writing.Line(symmetry, ("I",)),)) for symmetry in SYMMETRIES])
        self._symbols = Symbols.concatenate([turns, Symbols.pack(near), library.symbols.take(usable)])
        self._code = self._symbols.code()
        lengths = np.array([len(program.lines) for program in near])
        self._cost = np.concatenate([np.full(len(turns), TURN), UNKNOWN + LINE * lengths, library.cost[usable]])
        quick = np.concatenate([np.zeros(len(turns), bool), np.ones(len(near), bool), library.is_quick[usable]])
        order = order_by_lines(self._code)
        order = order[order >= len(turns)]  # these are for what is right when turned; the library has them, too
        self._rank = np.zeros(len(self._symbols), np.int64)
        self._rank[order] = np.arange(len(order))
        self._order, self._quick = order, order[quick[order]]
        output = task.outputs[self._smallest]
        images = [output, *(turned(output, symmetry) for symmetry in SYMMETRIES)]
        self._images = grid_digests(GridTable.pack(images))
        # The output as it is is number -1; of equal images the first counts.
        self._targets = {int(self._images[k]): k - 1 for k in reversed(range(len(images)))}
        self.runs = 0
        """programs that ran on a grid"""

    # ------------------------------------------------------------------------------------------ values

    def compose(self, worker: Worker, budget: Budget) -> list[Composed]:
        """Programs that are right on a demonstration, cheapest first."""
        values, hits = self._first(worker)
        pieces = [values.take(values.shaped(self._shapes)), *self._conjugates(worker, budget)]
        frontier = values
        for runs in budget.runs:
            found, candidates = self._expand(worker, frontier, runs)
            hits += found
            reached = self._realise(worker, frontier, candidates, budget.pieces)
            pieces.append(reached)
            frontier = reached.take(self._promising(reached))
        hits = sorted((hit for hit in hits if budget.conjugated or hit[2] != SYMMETRY), key=lambda hit: hit[0])
        found = [
            Composed(writing.composition(self._programs(steps)), cost, kind)
            for cost, steps, kind in hits[: budget.hits]
        ]
        together = Values.concatenate(pieces).distinct()
        return sorted([*found, *self._fitted(together, budget)], key=lambda one: one.cost)

    @property
    def _shapes(self) -> npt.NDArray[np.int64]:
        return shapes_of(self._wanted)

    def _programs(self, steps: Steps) -> list[Program]:
        return [self._symbols.program(k) for k in steps]

    def _screen(
        self, worker: Worker, table: GridTable, grid: int, order: npt.NDArray[np.int64], fuel: int
    ) -> npt.NDArray[np.int64]:
        self.runs += len(order)
        return worker.screen.run(self._code, table, grid, order, fuel)

    def _first(self, worker: Worker) -> tuple[Values, list[tuple[float, Steps, str]]]:
        """The distinct values of depth 1, with the input, and what is right on a demonstration."""
        digests = np.stack(
            [self._screen(worker, self._inputs, k, self._order, FUEL) for k in range(len(self._inputs))], axis=1
        )
        demonstrations = len(self._wanted)
        right = (digests[:, :demonstrations] == self._wanted).any(axis=1)
        hits = [(float(self._cost[k]), (k,), "macro") for k in self._order[right].tolist()]
        hits += self._turned_hits(digests[:, self._smallest], self._order, 0.0, ())
        order = np.argsort(self._cost[self._order], kind="stable")
        order = order[(digests[order] != 0).all(axis=1)]
        _, first = np.unique(digests[order], axis=0, return_index=True)
        some = self._order[order[np.sort(first)]]
        outputs = self._run(worker, some, self._inputs)
        reached = Values.of(
            len(self._inputs), np.concatenate([[0.0], self._cost[some]]), [(), *((k,) for k in some.tolist())],
            GridTable.concatenate([self._inputs, outputs]),
        )  # fmt: skip
        return reached.distinct(), hits

    def _run(self, worker: Worker, programs: npt.NDArray[np.int64], table: GridTable) -> GridTable:
        """What programs give for all grids of a table, program after program."""
        return self._run_on(worker, programs, table, np.zeros(len(programs), np.int64), len(table))

    def _run_on(
        self,
        worker: Worker,
        programs: npt.NDArray[np.int64],
        table: GridTable,
        values: npt.NDArray[np.int64],
        inputs: int,
    ) -> GridTable:
        """What each program gives for a value, which is so many grids of a table, program after program."""
        grids = (values[:, None] * inputs + np.arange(inputs)).ravel()
        jobs = np.stack([np.repeat(programs, inputs), grids], axis=1)
        self.runs += len(jobs)
        return worker.machine.run(self._code, table, jobs.astype(np.int32)).outputs

    def _turned_hits(
        self, digests: npt.NDArray[np.int64], order: npt.NDArray[np.int64], cost: float, steps: Steps
    ) -> list[tuple[float, Steps, str]]:
        """What gives the image of the smallest demonstration's output under a symmetry."""
        hits = []
        for place in np.flatnonzero(np.isin(digests, list(self._targets))).tolist():
            k, turn = int(order[place]), self._targets[int(digests[place])]
            price = cost + float(self._cost[k])
            if turn < 0 and steps:
                hits.append((price + STEP, (*steps, k), "composition"))
            elif turn >= 0:
                hits.append((price + STEP + TURN, (*steps, k, self._inverse(turn)), SYMMETRY))
        return hits

    @staticmethod
    def _inverse(turn: int) -> int:
        name = SYMMETRIES[turn]
        return SYMMETRIES.index(INVERSES.get(name, name))

    def _expand(
        self, worker: Worker, frontier: Values, runs: int
    ) -> tuple[list[tuple[float, Steps, str]], npt.NDArray]:
        """Apply quick macros to values, on the smallest demonstration: hits, and candidates for pieces.

        A candidate is (value, program, cost): of those that give the same there the cheapest.
        """
        hits: list[tuple[float, Steps, str]] = []
        shape = self._shapes[self._smallest]
        tried: set[int] = {int(grid_digests(self._inputs)[self._smallest])}
        kept = []
        inputs = len(self._inputs)
        demonstrations = len(self._wanted)
        for number in range(len(frontier)):
            if runs <= 0:
                break
            digests = frontier.digests[number]
            place = int(digests[self._smallest])
            constant = len(set(digests[:demonstrations].tolist())) == 1 and demonstrations > 1
            at = number * inputs + self._smallest
            if place in tried or constant or frontier.grids.shapes[at].prod() == 1:  # one cell has nothing in it
                continue
            tried.add(place)
            runs -= len(self._quick)
            found = self._screen(worker, frontier.grids, at, self._quick, QUICK_FUEL)
            cost, steps = float(frontier.cost[number]), frontier.steps[number]
            hits += self._turned_hits(found, self._quick, cost, steps)
            some = np.flatnonzero(shapes_of(found) == shape)
            kept.append((np.full(len(some), number), self._quick[some], found[some]))
        if not kept:
            return hits, np.zeros((0, 3))
        values, programs, found = (np.concatenate(part) for part in zip(*kept, strict=True))
        costs = frontier.cost[values] + self._cost[programs] + STEP
        order = np.argsort(costs, kind="stable")
        _, first = np.unique(found[order], return_index=True)
        order = order[np.sort(first)]
        return hits, np.stack([values[order], programs[order], costs[order]], axis=1)

    def _realise(self, worker: Worker, frontier: Values, candidates: npt.NDArray, most: int) -> Values:
        """The candidates, cheapest first, that have the shapes of the outputs."""
        candidates = candidates[:most]
        values, programs = candidates[:, 0].astype(np.int64), candidates[:, 1].astype(np.int64)
        inputs = len(self._inputs)
        outputs = self._run_on(worker, programs, frontier.grids, values, inputs)
        steps = [(*frontier.steps[v], p) for v, p in zip(values.tolist(), programs.tolist(), strict=True)]
        reached = Values.of(inputs, candidates[:, 2], steps, outputs)
        reached = reached.take(reached.shaped(self._shapes))
        return reached.distinct()

    def _promising(self, values: Values) -> npt.NDArray[np.int64]:
        """Values of the outputs' shapes, in the order in which they are worth going on from."""
        if not len(values):
            return np.zeros(0, np.int64)
        wanted = np.concatenate([output.ravel() for output in self._task.outputs])
        grids = np.arange(len(values))[:, None] * len(self._inputs) + np.arange(len(self._wanted))
        likeness = (values.grids.take(grids.ravel()).cells.reshape(len(values), -1) == wanted).mean(axis=1)
        return np.argsort(values.cost - LIKENESS * likeness, kind="stable")

    def _conjugates(self, worker: Worker, budget: Budget) -> Iterator[Values]:
        """Macros on the turned input, turned back: values of the outputs' shapes."""
        inputs = len(self._inputs)
        cheap = self._quick[np.argsort(self._cost[self._quick], kind="stable")[: budget.conjugated]]
        cheap = cheap[np.argsort(self._rank[cheap])]
        for turn, symmetry in enumerate(SYMMETRIES):
            table = GridTable.pack([turned(grid, symmetry) for grid in self._inputs])
            found = self._screen(worker, table, self._smallest, cheap, QUICK_FUEL)
            some = cheap[shapes_of(found) == shapes_of(self._images[1 + turn])]
            if not len(some):
                continue
            outputs = self._run(worker, some, table)
            inverse = self._inverse(turn)
            whole = [k for k in range(len(some)) if all(outputs[k * inputs + i] is not None for i in range(inputs))]
            grids = [turned(outputs[k * inputs + i], SYMMETRIES[inverse]) for k in whole for i in range(inputs)]
            if grids:
                yield Values.of(
                    inputs, self._cost[some[whole]] + 2 * TURN, [(turn, int(some[k]), inverse) for k in whole],
                    GridTable.pack(grids),
                )  # fmt: skip

    # ---------------------------------------------------------------------------------- fits and stacks

    def _sheet(self, values: Values) -> tuple[Sheet, npt.NDArray[np.int8]]:
        """The rows of values of equal shapes."""
        inputs = len(self._inputs)
        sheet = Sheet(tuple(map(tuple, values.grids.shapes[:inputs].tolist())), len(self._wanted))
        return sheet, sheet.rows(values.grids)

    def _fitted(self, values: Values, budget: Budget) -> Iterator[Composed]:
        """Programs of pieces: groups by the shapes that they give for the tests, the largest groups first."""
        values = values.take(values.shaped(self._shapes))
        if not len(values):
            return
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for k, shapes in enumerate(shapes_of(values.digests[:, len(self._wanted) :]).tolist()):
            groups[tuple(shapes)].append(k)
        for some in sorted(groups.values(), key=lambda group: (group[0] > 0, -len(group)))[:6]:
            group = values.take(np.array(some))
            sheet, rows = self._sheet(group)
            wanted = sheet.wanted(self._task.outputs)
            yield from self._tables(group, rows, wanted, budget)
            if budget.stacks:
                yield from self._stacks(group, sheet, rows, wanted, budget)

    def _tables(
        self, pieces: Values, rows: npt.NDArray[np.int8], wanted: npt.NDArray[np.int8], budget: Budget
    ) -> Iterator[Composed]:
        fitting, tables = color_maps(rows, wanted)
        for k in fitting.tolist() if budget.maps_colors else ():
            changes = int(((tables[k] != NONE) & (tables[k] != np.arange(COLORS))).sum())
            if changes:
                program = writing.color_map(self._programs(pieces.steps[k]), tables[k])
                yield Composed(program, float(pieces.cost[k]) + 1 + changes, "color map")
        entries = int(np.clip((wanted != NONE).sum() // 12, 3, 30))
        for one, other in pair_tables(rows, wanted, entries, 400, budget.paired, budget.wide).tolist():
            table = pair_table(rows[one], rows[other], wanted)
            cost = float(pieces.cost[one] + pieces.cost[other]) + 2 + writing.deviations(table)[0]
            program = writing.pair_table(self._programs(pieces.steps[one]), self._programs(pieces.steps[other]), table)
            yield Composed(program, cost, "pair table")

    def _stacks(
        self, pieces: Values, sheet: Sheet, rows: npt.NDArray[np.int8], wanted: npt.NDArray[np.int8], budget: Budget
    ) -> Iterator[Composed]:
        """Stacks, greedily, with all pieces or the cheapest, for all demonstrations or one, and at random."""
        stacker = Stacker(sheet, rows, wanted, most=8 * len(rows) + 64)
        costs = pieces.cost[stacker.pieces]
        demonstrations = len(self._wanted)
        sizes = np.array([output.size for output in self._task.outputs], float)
        cared = [1 / sizes, *(np.eye(demonstrations) if demonstrations > 1 else ())]
        bounds = [stacker.bounds(weights) for weights in cared]
        limits = [limit for limit in (30, 120, 500, 1500) if limit < len(rows)] + [len(rows)]
        best: dict[bytes, list[tuple[float, object]]] = defaultdict(list)
        for number in range(budget.stacks):
            care = number % len(cared)
            limit = limits[number // len(cared) % len(limits)]
            turn = number // (len(cared) * len(limits))
            factors = np.exp(-(0.0, 0.25)[turn % 2] * costs) * (stacker.pieces < limit)
            if turn >= 2:
                kept = self._rng.random(len(rows)) < 0.5
                factors *= (kept * self._rng.random(len(rows)))[stacker.pieces]
            stack = stacker.stack(cared[care], bounds[care], factors, budget.layers)
            if not stack.layers or not self._right(sheet, stack.row, wanted):
                continue
            used = {layer.piece for layer in stack.layers}
            cost = float(pieces.cost[list(used)].sum()) + LAYER * len(stack.layers) + (0 if stack.is_whole else HOLE)
            best[stack.row.tobytes()].append((cost, stack))
        for found in best.values():
            found.sort(key=lambda one: one[0])
            for cost, stack in found[:3]:
                steps = {layer.piece: self._programs(pieces.steps[layer.piece]) for layer in stack.layers}
                yield Composed(writing.stack(stack.layers, steps, stack.is_whole), cost, "stack")

    def _right(self, sheet: Sheet, row: npt.NDArray[np.int8], wanted: npt.NDArray[np.int8]) -> bool:
        """Whether a row is right on a demonstration."""
        starts = (WORD * sheet.words[: len(self._wanted) + 1]).tolist()
        return any((row[a:b] == wanted[a:b]).all() for a, b in pairwise(starts))
