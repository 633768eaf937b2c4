"""Type-directed bottom-up enumeration of programs, with observational equivalence.

The terms of one task are built in order of cost: `I`, constants and primitives as values, then calls of cheaper terms.
Two terms with equal values on all demonstrations are one, and the cheaper is kept; one that fails on any
demonstration is dropped. A term stands only at places that take its kind. The same task, costs and limits give the
same programs in the same order, however the work is cut into slices.

    Enumerator(inputs, outputs).advance(1_000_000) -> Progress

`productions` says what is tried and what it costs, `growth` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from interpreter.enumeration import bank, growth
from interpreter.enumeration.bank import Bank
from interpreter.enumeration.productions import TRAITS, Costs, Leaf, Productions, leaves
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import WORDS
from interpreter.language.program import Line, Program
from interpreter.machine.kinds import BOOLEAN
from interpreter.machine.machine import new_arena
from interpreter.primitives import PRIMITIVES
from interpreter.primitives.types import Boolean, Type
from interpreter.runtime import layout
from interpreter.runtime.interning import KNOWN_VALUE
from interpreter.runtime.native import SEARCH, entry


class Stage(IntEnum):
    """Where an enumeration is. From a full bank or arena on, only last calls are tried, and nothing is kept."""

    GROWING = bank.GROWING
    BANK_FULL = bank.BANK_FULL
    ARENA_FULL = bank.ARENA_FULL
    ENDED = bank.ENDED


@dataclass(frozen=True)
class Limits:
    """Bounds of one enumeration."""

    bank: int = 1 << 17
    """Terms that are kept."""
    words: int = 1 << 24
    """Words of the arena for their values, 8 bytes each."""
    fuel: int = 50_000
    """Of one call on one demonstration."""
    cost: int = 60
    """The cost up to which terms are built."""
    found: int = 64
    """Solutions, and programs that are right on some demonstrations, that are remembered."""


@dataclass(frozen=True)
class Progress:
    """How far an enumeration is.

    Calls tried, those of them that failed or gave too much, terms kept, and the cost of what is being tried.
    """

    tried: int
    failed: int
    kept: int
    cost: int
    stage: Stage


@dataclass(frozen=True)
class NearMiss:
    """A program that is right on `right` demonstrations, not on all. (Last calls count up to their first mistake.)"""

    program: Program
    right: int


def new_bank(leaves: Sequence[Leaf], productions: Productions, pairs: int, limits: Limits) -> Bank:
    """The bank of an enumeration on `pairs` demonstrations that has not begun."""
    n, places = limits.bank, len(productions.places)
    slots = 1 << (2 * n - 1).bit_length()
    state = np.zeros(1, bank.STATE).view(np.recarray)[0]
    state.max_cost, state.call_fuel, state.kept = limits.cost, limits.fuel, len(leaves)
    values = np.zeros((n, pairs), np.int64)
    traits = np.zeros(n, TRAITS)
    for k, leaf in enumerate(leaves):
        values[k] = WORDS[leaf.name]
        traits[k] = leaf.traits
    return Bank(
        productions=productions.rows,
        places=productions.places,
        leaf_costs=np.array([leaf.cost for leaf in leaves], np.int64),
        values=values,
        calls=np.zeros(n, bank.CALL_OF),
        traits=traits,
        lists=np.zeros((places, n), np.int32),
        bounds=np.zeros((places, limits.cost + 2), np.int64),
        counts=np.zeros(places, np.int64),
        known=np.zeros(4 * slots, KNOWN_VALUE),
        index=np.full(slots, -1, np.int32),
        targets=np.zeros(pairs, np.int64),
        solutions=np.zeros(limits.found, bank.FOUND),
        near=np.zeros(limits.found, bank.FOUND),
        state=state,
    )


def _arguments_of_begin() -> tuple:
    """Arguments of `growth.begin`, for their types."""
    grids = [np.zeros((1, 1), np.int8)]
    table = GridTable.pack(grids)
    empty = new_bank(leaves(grids, grids, Costs()), Productions.of(Costs()), 1, Limits(bank=1 << 10))
    return np.zeros(1, np.int64), empty, table.cells, table.starts, table.shapes


def _arguments_of_advance() -> tuple:
    return *_arguments_of_begin()[:2], 0


_begin = entry(_arguments_of_begin, group=SEARCH)(growth.begin)
_advance = entry(_arguments_of_advance, group=SEARCH)(growth.advance)


class Enumerator:
    """The enumeration of one task. Not for use by two threads at once.

    Raises `ValueError` for a task without demonstrations, with outputs that are not as many, and for limits that are
    too small.
    """

    def __init__(
        self, inputs: Sequence[Grid], outputs: Sequence[Grid], costs: Costs | None = None, limits: Limits | None = None
    ) -> None:
        if not inputs or len(inputs) != len(outputs):
            raise ValueError(
                f"a task has as many inputs as outputs, and at least one; not {len(inputs)}, {len(outputs)}"
            )
        costs, self.limits = costs or Costs(), limits or Limits()
        self._leaves = leaves(inputs, outputs, costs)
        self._productions = Productions.of(costs)
        grids = GridTable.pack([*inputs, *outputs])
        least = layout.HEAP + 4 * (len(grids.cells) + len(inputs) * self.limits.fuel)
        if self.limits.bank < 2 * len(self._leaves) or self.limits.words < least:
            raise ValueError(
                f"these demonstrations need a bank of {2 * len(self._leaves)} and {least:,} words at least"
            )
        self._advance = _advance.compiled()
        self._arena = new_arena(self.limits.words)
        self._bank = new_bank(self._leaves, self._productions, len(inputs), self.limits)
        _begin.compiled()(self._arena, self._bank, grids.cells, grids.starts, grids.shapes)

    def advance(self, calls: int) -> Progress:
        """Try about `calls` calls more. Stops after each solution, and does nothing at the end."""
        state = self._bank.state
        if state.solutions == self.limits.found:
            state.stage = Stage.ENDED
        if state.stage != Stage.ENDED:
            self._advance(self._arena, self._bank, calls)
        return self.progress

    @property
    def progress(self) -> Progress:
        state = self._bank.state
        return Progress(
            tried=int(state.tried),
            failed=int(state.failed),
            kept=int(state.kept),
            cost=int(state.level),
            stage=Stage(int(state.stage)),
        )

    @property
    def solutions(self) -> list[Program]:
        """The programs that are right on all demonstrations, cheapest first."""
        return [self._program(call) for call in self._bank.solutions[: self._bank.state.solutions]]

    @property
    def near_misses(self) -> list[NearMiss]:
        """The best programs that are right on some demonstrations: most of them first, then the cheapest."""
        found = sorted(self._bank.near[: self._bank.state.near], key=lambda call: (-call["right"], call["cost"]))
        return [NearMiss(self._program(call), int(call["right"])) for call in found]

    def _program(self, call: np.void) -> Program:
        return _Writer(self._productions, self._leaves, self._bank.calls).program(call)


class _Writer:
    """Writes a call of terms as a program; a term that is used twice is one line."""

    def __init__(self, productions: Productions, leaves: Sequence[Leaf], calls: npt.NDArray[np.void]) -> None:
        self._productions, self._leaves, self._calls = productions, leaves, calls
        self._lines: list[Line] = []
        self._names: dict[int, str] = {}

    def program(self, call: np.void) -> Program:
        """The program of a production and its arguments."""
        self._write(call)
        return Program(tuple(self._lines))

    def _write(self, call: np.void) -> None:
        name, terms = self._productions.names[call["production"]], call["arguments"].tolist()
        if name is None:
            function, argument = terms[:2]
            self._lines.append(Line(self._name(function), (self._name(argument),)))
            return
        types = PRIMITIVES[name].parameters
        arguments = [self._name(term, type_) for term, type_ in zip(terms, types, strict=False)]
        self._lines.append(Line(name, tuple(arguments)))

    def _name(self, term: int, wanted: Type | None = None) -> str:
        """The name of a term where a type is wanted: 0 and 1 are F and T as truth values."""
        if term < len(self._leaves):
            leaf = self._leaves[term]
            if leaf.traits.kind == BOOLEAN and wanted is Boolean:
                return "FT"[leaf.name == "ONE"]
            return leaf.name
        if term not in self._names:
            self._write(self._calls[term])
            self._names[term] = f"x{len(self._lines)}"
        return self._names[term]
