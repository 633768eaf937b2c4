"""Bytecode: programs as the machine reads them.

A line is six words: what is called, the number of arguments, four operands. A word below MAX_REGISTERS names a
register (1 is I, 1 + k is xk); any other is a handle, since constants and primitives are immediate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from interpreter.grids import pieces
from interpreter.language.program import Program
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout, values

OPERANDS = layout.MAX_ARITY
MAX_REGISTERS = layout.MAX_REGISTERS


@dataclass(frozen=True)
class Code:
    """Assembled programs: `rows` int64 of (lines, 6), `starts` int64 of programs + 1 row offsets."""

    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @classmethod
    def assemble(cls, programs: Sequence[Program]) -> Code:
        """Bytecode of programs. Raises `ValueError` for one that is too long or uses what is not yet defined."""
        lines = list(chain.from_iterable(map(_LINES, programs)))
        arguments = list(map(_ARGUMENTS, lines))
        counts = np.fromiter(map(len, arguments), np.int64, len(lines))
        rows = np.zeros((len(lines), 2 + OPERANDS), np.int64)
        try:
            rows[:, 0] = np.fromiter(map(WORDS.__getitem__, map(_FUNCTION, lines)), np.int64, len(lines))
            words = np.fromiter(map(WORDS.__getitem__, chain.from_iterable(arguments)), np.int64, counts.sum())
        except KeyError as error:
            raise ValueError(f"{error.args[0]!r} is no name of the language") from None
        rows[:, 1] = counts
        rows[:, 2:][np.arange(OPERANDS) < counts[:, None]] = words
        starts = np.zeros(len(programs) + 1, np.int64)
        np.cumsum([len(program.lines) for program in programs], out=starts[1:])
        code = cls(rows, starts)
        code._check()
        return code

    def _check(self) -> None:
        """The machine trusts its bytecode: no line may read a register that is not written yet."""
        lengths = np.diff(self.starts)
        if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= layout.MAX_VARIABLES + 1):
            raise ValueError(f"a program has 1 to {layout.MAX_VARIABLES + 1} lines")
        lines = np.arange(len(self.rows)) - np.repeat(self.starts[:-1], lengths)
        words = np.delete(self.rows, 1, axis=1)  # without the number of arguments
        wrong = ((words < MAX_REGISTERS) & (words > 1 + lines[:, None])).any(axis=1)
        if wrong.any():
            raise ValueError(f"line {lines[wrong.argmax()] + 1} of a program uses a variable that it does not have yet")

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, programs: npt.NDArray[np.int64]) -> Code:
        """The programs at the indices `programs`."""
        lines, starts = pieces(self.starts, programs)
        return Code(self.rows[lines], starts)


_LINES, _FUNCTION, _ARGUMENTS = attrgetter("lines"), attrgetter("function"), attrgetter("arguments")


def _constant(value: int | tuple[int, int]) -> int:
    """The handle of a constant."""
    if isinstance(value, tuple):
        i, j = (c + values.COORDINATE_BIAS for c in value)
        return (values.PAIR << values.SHIFT) | (i << values.COORDINATE_BITS) | j
    return (values.INTEGER << values.SHIFT) | (value + values.INTEGER_BIAS)


# The word of each name that a line can hold.
WORDS: dict[str, int] = {
    "I": 1,
    **{f"x{k}": 1 + k for k in range(1, layout.MAX_VARIABLES + 1)},
    **{name: _constant(value) for name, value in CONSTANTS.items()},
    **{name: (values.PRIMITIVE << values.SHIFT) | primitive.opcode for name, primitive in PRIMITIVES.items()},
}


def order_by_lines(code: Code) -> npt.NDArray[np.int64]:
    """The programs in an order in which those with common first lines are neighbours."""
    size = code.rows.itemsize * code.rows.shape[1]
    rows, ends = code.rows.tobytes(), (code.starts * size).tolist()
    keys = [rows[start:end] for start, end in pairwise(ends)]
    return np.array(sorted(range(len(code)), key=keys.__getitem__), np.int64)
