"""Batches of runs on the nodes of a cluster: what `interpreter.machine.pool.Pool` is on one machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.cluster.crew import Crew
from engine.search.workers import Portable, Worker
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import Runs
from interpreter.machine.pool import CHUNK
from interpreter.machine.screening import DEFAULT_FUEL  # of screens, which nothing here uses
from interpreter.runtime.outcome import Outcome


class CrewPool:
    """The crew stays when this is closed: it is the session's. `limits` are fuel and words of a machine."""

    def __init__(self, crew: Crew, grids: GridTable, limits: tuple[int, int]) -> None:
        self._crew, self._grids, self._limits = crew, grids, (DEFAULT_FUEL, *limits)

    def run(self, code: Code, jobs: npt.NDArray[np.int32]) -> Runs:
        """The results of a batch, in the order of its jobs: (n, 2), index of a program, index of its input."""
        if not len(jobs):
            return Runs.failed(0, Outcome.CRASHED)
        chunks = np.split(jobs, range(CHUNK, len(jobs), CHUNK))
        found = dict(self._crew.run(self._limits, Portable(_run, self._grids, code), chunks))
        return Runs.concatenate([found[number] for number in range(len(chunks))])

    def close(self) -> None:
        """Nothing is left behind."""


def _run(grids: GridTable, code: Code, worker: Worker, jobs: npt.NDArray[np.int32]) -> Runs:
    return worker.machine.run(code, grids, jobs)
