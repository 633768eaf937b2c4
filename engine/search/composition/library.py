"""Macros ready for use: their slots filled with colours, and of those that do the same on sample grids one kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from engine.search.composition.ingredients import Ingredient
from engine.search.composition.macro import Colors, Macro, Miner
from engine.search.composition.patterns import patterns
from engine.search.workers import Worker, Workers
from engine.tasks import Task
from interpreter.grids import GridTable
from interpreter.language.bytecode import order_by_lines
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols
from interpreter.runtime.digests import grid_digests

SAMPLE = 60  # grids on which behaviours are told apart
CELLS = range(9, 201)  # of a grid of the sample
# The work that a macro may do for a grid; those that always do with less are quick enough to be tried very often.
FUEL, QUICK_FUEL = 60_000, 8_000
MOSTLY = 0.9  # the share of the sample on which quick macros are quick
MIN_VALID = 2  # grids of the sample on which a macro must give something
# The price of a macro, in bits: of itself, a line, a slot, standing in one program alone, and what each doubling of the
# number of tasks takes off.
BASE, LINE, SLOT, RARE, COMMON = 1.0, 0.5, 0.7, 1.0, 0.3


@dataclass(frozen=True)
class Library:
    """Programs in the order of their cost, as arrays of equal length. Their inputs and outputs are grids."""

    symbols: Symbols
    cost: npt.NDArray[np.float64]
    colors: npt.NDArray[np.int64]
    """the colours in the slots, as bits"""
    is_seen: npt.NDArray[np.bool_]
    """whether a program has been seen with these colours, or has no slots"""
    is_quick: npt.NDArray[np.bool_]
    owner: npt.NDArray[np.str_]
    """the one task whose programs it was mined from; empty where there are several or none"""

    def __len__(self) -> int:
        return len(self.cost)

    def usable(self, task: Task, without_own: bool) -> npt.NDArray[np.int64]:
        """What may be of use for a task: its colours occur there, guessed ones in all inputs or in all outputs.

        `without_own` leaves out what was mined from the task's own programs alone.
        """
        inputs, outputs = _palettes(task.inputs), _palettes(task.outputs)
        everywhere = np.bitwise_or.reduce([*inputs, *outputs])
        core = np.bitwise_and.reduce(inputs) | np.bitwise_and.reduce(outputs)
        usable = ((self.colors & ~everywhere) == 0) & (self.is_seen | ((self.colors & ~core) == 0))
        if without_own:
            usable &= self.owner != task.id
        return np.flatnonzero(usable)


def _palettes(grids: Sequence[npt.NDArray[np.int8]]) -> list[int]:
    return [int(np.bitwise_or.reduce(1 << np.unique(grid).astype(np.int64))) for grid in grids]


class Librarian:
    """Makes libraries of a corpus that grows, without the ingredients that are left out."""

    def __init__(self, sample: Sequence[Task], workers: Workers, without: Collection[Ingredient] = ()) -> None:
        self._workers, self._without = workers, without
        grids = [task.inputs[k % len(task.inputs)] for k, task in enumerate(sample)]
        grids = [grid for grid in grids if grid.size in CELLS] or grids
        self._sample = GridTable.pack(grids[:: -(-len(grids) // SAMPLE)])
        self._rows: dict[tuple[str, Colors], Macro] = {}  # what has been filled, by text and colours
        nothing = Symbols.pack([]), np.zeros((0, len(self._sample)), np.int64), np.zeros(0, np.bool_)
        self._made = [nothing]  # of the rows, in order
        self._library: Library | None = None
        self.miner = Miner()
        for pattern in patterns() if Ingredient.PATTERNS not in without else ():
            self.miner.add(pattern)

    def learn(self, programs: Sequence[tuple[Task, Program]]) -> None:
        """Mine programs, each of a task; those that were mined before are left out."""
        if Ingredient.MINED not in self._without and self.miner.learn(programs):
            self._library = None

    def library(self) -> Library:
        """A library of all macros so far; of those that were in the one before behaviours are known."""
        if self._library is None:
            self._fill()
            symbols = Symbols.concatenate([made[0] for made in self._made])
            digests, is_quick = (np.concatenate([made[k] for made in self._made]) for k in (1, 2))
            self._library = self._distinct(symbols, digests, is_quick)
        return self._library

    def _fill(self) -> None:
        """Make what macros need in which something was not filled before."""
        guesses = Ingredient.COLORS not in self._without
        rows = {
            (text, colors): macro for text, macro in self.miner.macros.items() for colors in fillings(macro, guesses)
        }  # fmt: skip
        new = [row for row in rows if row not in self._rows]
        if new:
            symbols = Symbols.pack([rows[text, colors].filled(colors) for text, colors in new])
            self._rows |= {row: rows[row] for row in new}
            self._made.append((symbols, *self._behaviours(symbols)))

    def _distinct(self, symbols: Symbols, digests: npt.NDArray[np.int64], is_quick: npt.NDArray[np.bool_]) -> Library:
        """Of the programs that do the same on the sample the cheapest; none that does nothing there."""
        rows, macros = list(self._rows), list(self._rows.values())
        costs = np.array([cost(macro) for macro in macros])
        valid = np.flatnonzero((digests != 0).sum(axis=1) >= MIN_VALID).tolist()
        kept: dict[bytes, int] = {}
        tasks: dict[int, list[frozenset[str]]] = {}
        for k in sorted(valid, key=lambda k: (costs[k], len(rows[k][0]), rows[k])):
            same = kept.setdefault(digests[k].tobytes(), k)
            tasks.setdefault(same, []).append(frozenset(macros[k].tasks))
        chosen = np.array(list(tasks), np.int64)
        return Library(
            symbols.take(chosen),
            costs[chosen],
            np.array([sum(1 << color for color in rows[k][1]) for k in tasks], np.int64),
            np.array([rows[k][1] in macros[k].colors for k in tasks], np.bool_),
            is_quick[chosen],
            np.array([_owner(sources) for sources in tasks.values()], np.str_),
        )

    def _behaviours(self, symbols: Symbols) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """What programs give on the sample, int64 of (programs, grids), and whether little fuel is enough for it."""
        code = symbols.code()
        order = order_by_lines(code)

        def on(worker: Worker, work: tuple[int, int]) -> npt.NDArray[np.int64]:
            digests = np.zeros(len(order), np.int64)
            digests[order] = worker.screen.run(code, self._sample, work[0], order, work[1])
            return digests

        grids = range(len(self._sample))
        work = [(grid, fuel) for fuel in (FUEL, QUICK_FUEL) for grid in grids]
        digests = np.stack(self._workers.map(on, work), axis=1)
        slow, quick = digests[:, : len(grids)], digests[:, len(grids) :]
        is_identity = ((slow == grid_digests(self._sample)) | (slow == 0)).all(axis=1)
        return np.where(is_identity[:, None], 0, slow), (slow == quick).mean(axis=1) >= MOSTLY


def _owner(sources: Sequence[frozenset[str]]) -> str:
    """The one task of which all that does the same was mined."""
    tasks = frozenset().union(*sources)
    return next(iter(tasks)) if all(sources) and len(tasks) == 1 else ""


def fillings(macro: Macro, guesses: bool = True) -> Iterator[Colors]:
    """The colours that are tried in a macro's slots: all of one or two, of more, or without guesses, those seen."""
    slots = macro.slots
    if guesses and slots in (1, 2):
        yield from permutations(range(1, 10), slots)
    else:
        yield from (colors for colors in macro.colors if len(colors) == slots)


def cost(macro: Macro) -> float:
    """The price of a macro in bits: what is short, and common in programs, is cheap."""
    rare = RARE if len(macro.tasks) == 1 else 0.0
    return BASE + LINE * len(macro.pattern.lines) + SLOT * macro.slots + rare - COMMON * np.log2(1 + len(macro.tasks))
