"""Programs as they are run: their bytecode, and the order in which they share most work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.symbols import Symbols


@dataclass(frozen=True)
class Candidates:
    """`programs`, their bytecode, and `order` (see `order_by_lines`)."""

    programs: Symbols
    code: Code
    order: npt.NDArray[np.int64]

    @classmethod
    def of(cls, programs: Symbols) -> Self:
        """Programs that are to run."""
        code = programs.code()
        return cls(programs, code, order_by_lines(code))

    def __reduce__(self) -> tuple[Callable[..., Candidates], tuple[Any, ...]]:
        """Pickled without the bytecode, which is four times as large as the programs that it is made of."""
        return _again, (self.programs, self.order)


def _again(programs: Symbols, order: npt.NDArray[np.int64]) -> Candidates:
    return Candidates(programs, programs.code(), order)
