"""Programs composed of macros, to learn from beside mutants: functions of grids that seeds have in common, or that are
there from the start, one applied to what another gives. They do what no mutant of a seed does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.loop.beginning import is_of
from engine.search.composition.library import Librarian
from engine.search.composition.writing import composition
from engine.search.workers import Workers
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols
from interpreter.language.vocabulary import has_tokens
from interpreter.machine.screening import DEFAULT_FUEL

STEPS = 2  # macros of a program
TRIES = 4  # for each program that is wanted


class Composing:
    """Draws macros by their price in bits: what is short, and common in programs, is likely."""

    def __init__(self, seeds: Sequence[Seed], tasks: Mapping[str, Task], workers: int, names: Sequence[str]) -> None:
        """`names` of primitives that programs may have, none: all."""
        with Workers(workers, DEFAULT_FUEL) as threads:
            librarian = Librarian(list(tasks.values()), threads)
            librarian.learn([(tasks[seed.task], seed.program) for seed in seeds])
            library = librarian.library()
        allowed = np.arange(len(library))
        if known := set(names):
            allowed = np.array([k for k in allowed.tolist() if is_of(library.symbols.program(k), known)], np.int64)
        self._symbols, self._colors = library.symbols.take(allowed), library.colors[allowed]
        chances = np.exp2(-library.cost[allowed])
        self._chances = chances / chances.sum()
        self._seen: set[str] = set()

    def draw(self, n: int, generator: np.random.Generator) -> tuple[Symbols, npt.NDArray[np.int64]]:
        """Up to `n` programs that were not drawn before, and the colours that they are about, as bits; none where no
        macro has allowed primitives alone."""
        found: list[Program] = []
        colors: list[int] = []
        if not len(self._symbols):
            return Symbols.pack(found), np.array(colors, np.int64)
        for steps in generator.choice(len(self._symbols), (TRIES * n, STEPS), p=self._chances).tolist():
            program = composition([self._symbols.program(k) for k in steps])
            if program.text not in self._seen and has_tokens(program):
                self._seen.add(program.text)
                found.append(program)
                colors.append(int(np.bitwise_or.reduce(self._colors[steps])))
                if len(found) == n:
                    break
        return Symbols.pack(found), np.array(colors, np.int64)
