"""Programs as arrays: the form in which compiled code changes them.

A line is six numbers: what is called, the number of arguments, four operands (0 where there is none). A name is its
index in the program vocabulary, so that T and ONE, one word to the machine, stay two names; variables that no policy
writes follow behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.grids import pieces
from interpreter.language.bytecode import WORDS, Code
from interpreter.language.program import Line, Program
from interpreter.language.vocabulary import PROGRAM_TOKENS, TOKEN_IDS, VARIABLES
from interpreter.runtime import layout

COLUMNS = 2 + layout.MAX_ARITY
INPUT, FIRST_VARIABLE = TOKEN_IDS["I"], TOKEN_IDS["x1"]
FIRST_CONSTANT = FIRST_VARIABLE + len(VARIABLES)
FIRST_COLOR, LAST_COLOR = TOKEN_IDS["ZERO"], TOKEN_IDS["NINE"]  # next to each other

# Every name by its number.
SYMBOLS: tuple[str, ...] = (
    *PROGRAM_TOKENS, *(f"x{k}" for k in range(len(VARIABLES) + 1, layout.MAX_VARIABLES + 1)),
)  # fmt: skip
_NUMBERS = {name: number for number, name in enumerate(SYMBOLS)}
_WORD_OF = np.array([WORDS.get(name, 0) for name in SYMBOLS], np.int64)
_NAMES = [0, *range(2, COLUMNS)]  # the columns that hold names


@dataclass(frozen=True)
class Symbols:
    """Programs in a row: `rows` int16 of (lines, 6), `starts` int64 of programs + 1 row offsets."""

    rows: npt.NDArray[np.int16]
    starts: npt.NDArray[np.int64]

    @classmethod
    def pack(cls, programs: Sequence[Program]) -> Symbols:
        """The arrays of programs, in order."""
        lines = [line for program in programs for line in program.lines]
        rows = np.zeros((len(lines), COLUMNS), np.int16)
        for row, line in zip(rows, lines, strict=True):
            ids = [_NUMBERS[name] for name in line.names()]
            row[0], row[1] = ids[0], len(ids) - 1
            row[2 : 1 + len(ids)] = ids[1:]
        starts = np.zeros(len(programs) + 1, np.int64)
        starts[1:] = np.cumsum([len(program.lines) for program in programs])
        return cls(rows, starts)

    @classmethod
    def concatenate(cls, parts: Sequence[Symbols]) -> Symbols:
        """The programs of several parts, in order."""
        lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.starts) for part in parts)])
        return cls(np.concatenate([part.rows for part in parts]), np.cumsum(lengths))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, programs: npt.NDArray[np.int64]) -> Symbols:
        """The programs at the indices `programs`."""
        lines, starts = pieces(self.starts, programs)
        return Symbols(self.rows[lines], starts)

    def recolored(self, colors: npt.NDArray[np.int64]) -> Symbols:
        """The same with ZERO to NINE renamed: c becomes `colors[k, c]` in program k, wherever it stands for a number,
        too."""
        rows = self.rows.copy()
        line, column = np.nonzero((rows >= FIRST_COLOR) & (rows <= LAST_COLOR))
        owner = np.repeat(np.arange(len(self)), np.diff(self.starts))[line]
        rows[line, column] = FIRST_COLOR + colors[owner, rows[line, column] - FIRST_COLOR]
        return Symbols(rows, self.starts)

    def program(self, k: int) -> Program:
        """Program `k` as an object."""
        rows = self.rows[self.starts[k] : self.starts[k + 1]].tolist()
        names = ((SYMBOLS[f], tuple(SYMBOLS[a] for a in operands[:n])) for f, n, *operands in rows)
        return Program(tuple(Line(function, arguments) for function, arguments in names))

    def code(self) -> Code:
        """The bytecode of all programs."""
        rows = np.empty(self.rows.shape, np.int64)
        rows[:, _NAMES] = _WORD_OF[self.rows[:, _NAMES]]
        rows[:, 1] = self.rows[:, 1]
        return Code(rows, self.starts)
