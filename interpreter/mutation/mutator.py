"""Typed mutation: programs that differ from others in an argument, a function or a definition (CodeIt, section 3.1).

An argument is replaced by what fits its place: a name that is known there, or a new line; a function by another that
takes the same arguments; a definition by a new call. What fits is told by declared types and by the kinds that the
values of lines had when the program ran. Beyond the paper, a line can be cut out, a fragment of another program spliced
in, and a constant changed. What a mutant does is for running it to tell.

All of it is compiled. The same parents, rates and seed give the same mutants on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from interpreter.language.grammar import subset
from interpreter.language.symbols import COLUMNS, Symbols
from interpreter.machine.kinds import declared_kinds
from interpreter.mutation import edits, generation
from interpreter.mutation.edits import MAX_LINES, Buffer, Tables

OPERATIONS = ("argument", "function", "definition", "cut", "splice", "constant")


@dataclass(frozen=True)
class Rates:
    """How often each operation is tried, relative to the others, and how many make a mutant.

    The first three are the paper's (phi_arg, phi_func, the rest), and `new_line` its phi_var.
    """

    argument: float = 0.25
    function: float = 0.25
    definition: float = 0.5
    cut: float = 0.0
    splice: float = 0.0
    constant: float = 0.0
    new_line: float = 0.5
    """Share of replaced arguments that become a new line."""
    again: float = 0.0
    """Chance of one more operation after each: below 1, where there would be no end."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for what is no rate."""
        shares = [getattr(self, name) for name in OPERATIONS]
        if min(shares) < 0 or not 0 < sum(shares) < math.inf:  # false of nan, too
            raise ValueError(f"rates of operations must be numbers of at least 0, one of them more, not {shares}")
        if not 0 <= self.new_line <= 1:
            raise ValueError(f"new_line is a chance, from 0 to 1, not {self.new_line}")
        if not 0 <= self.again < 1:
            raise ValueError(f"again is a chance below 1, and at least 0, not {self.again}")

    def weights(self) -> npt.NDArray[np.float64]:
        """The operations' shares, added up."""
        shares = np.array([getattr(self, name) for name in OPERATIONS])
        return np.cumsum(shares / shares.sum())


@cache
def _tables(primitives: frozenset[str] | None) -> Tables:
    return edits.tables(primitives)


class Seen:
    """What was seen so far, by 64-bit hashes that are not 0: 16 to 32 bytes of memory for each."""

    def __init__(self) -> None:
        self.table = np.zeros(1 << 10, np.int64)
        self.count = 0

    def reserve(self, more: int) -> None:
        """Make room for `more` programs: at most half of the table is ever used."""
        size = len(self.table)
        while 2 * (self.count + more) > size:
            size *= 2
        if size > len(self.table):
            old, self.table = self.table, np.zeros(size, np.int64)
            self._enter(old[old != 0])

    def add(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Enter keys; which of them were new."""
        self.reserve(len(keys))
        is_new = self._enter(keys)
        self.count += int(is_new.sum())
        return is_new

    def _enter(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        is_new = np.zeros(len(keys), np.bool_)
        generation.enter.compiled()(self.table, np.ascontiguousarray(keys), is_new)
        return is_new


@dataclass(frozen=True)
class Mutants:
    """Programs, the index of the parent of each, and its hash."""

    programs: Symbols
    parents: npt.NDArray[np.int32]
    keys: npt.NDArray[np.int64]
    attempts: int


class Mutator:
    """Makes mutants of programs, each only once.

    `kinds` are those of all lines of `programs` (see `interpreter.machine.kinds`); by default what is declared.
    Programs of more than MAX_LINES lines have no mutants and lend no lines. With `primitives`, no others are put in.
    """

    def __init__(
        self,
        programs: Symbols,
        kinds: npt.NDArray[np.int8] | None = None,
        rates: Rates | None = None,
        max_lines: int = MAX_LINES,
        seen: Seen | None = None,
        primitives: Collection[str] = (),
    ) -> None:
        self.programs = programs
        self._tables = _tables(subset(primitives))
        self._kinds = declared_kinds(programs) if kinds is None else kinds
        self._rates = rates or Rates()
        self._weights = self._rates.weights()
        self._max_lines = max_lines
        self._can_be_parent = np.diff(programs.starts) <= MAX_LINES
        self._buffer = Buffer.new()
        self.seen = seen or Seen()
        self.seen.add(program_keys(programs))

    def mutants(
        self,
        n: int,
        seed: int | Sequence[int],
        attempts: int | None = None,
        parents: npt.NDArray[np.int64] | None = None,
    ) -> Mutants:
        """Up to `n` new mutants of parents drawn evenly from `parents` (default: all), in at most `attempts` tries."""
        chosen = np.arange(len(self.programs)) if parents is None else np.asarray(parents, np.int64)
        chosen = chosen[self._can_be_parent[chosen]]
        tries = (attempts or 20 * n) if len(chosen) else 0
        self.seen.reserve(n)
        rows = np.zeros((n * 16 + MAX_LINES, COLUMNS), np.int16)
        starts = np.zeros(n + 1, np.int64)
        from_, keys = np.zeros(n, np.int32), np.zeros(n, np.int64)
        found, tried = generation.generate.compiled()(
            self._tables, self._buffer, _state(seed), self.programs.rows, self._kinds, self.programs.starts, chosen,
            self._weights, self._rates.new_line, self._rates.again, tries, self._max_lines, self.seen.table, rows,
            starts, from_, keys,
        )  # fmt: skip
        self.seen.count += found
        starts = starts[: found + 1]
        return Mutants(Symbols(rows[: starts[-1]].copy(), starts), from_[:found], keys[:found], tried)


def _state(seed: int | Sequence[int]) -> npt.NDArray[np.int64]:
    """The first state of a generator: neighbouring seeds are far apart."""
    return np.random.SeedSequence(seed).generate_state(1, np.uint64).astype(np.int64) | 1


def program_keys(programs: Symbols) -> npt.NDArray[np.int64]:
    """The hash of each program, by which mutants are told apart."""
    keys = np.zeros(len(programs), np.int64)
    generation.hash_programs.compiled()(programs.rows, programs.starts, keys)
    return keys
