"""Batches and results in shared memory, between a pool and one of its workers.

A slot is a region for one chunk: what is asked (bytecode and jobs), and behind it room for what comes of it. The
pool makes the region and writes the question; a small message through a pipe says how large it is, and hands the region
over where the worker does not have it; the worker writes the answer and says so. Nothing is pickled but the message. A
slot is one side's at a time, so it needs no lock.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import MAX_CELLS, Runs
from interpreter.machine.memory import Field, Region, total_size


class Request(NamedTuple):
    """The message to a worker: the slot where the chunk lies, how large its region and the chunk are.

    The region itself follows where it is new to the worker.
    """

    slot: int
    size: int
    is_new: bool
    lines: int
    programs: int
    jobs: int


def _fields(lines: int, programs: int, jobs: int) -> list[Field]:
    """The arrays of a slot in order: `rows`, `starts` and jobs of the question, then `Runs.arrays` of the answer."""
    return [
        (np.int64, (lines, 6)), (np.int64, (programs + 1,)), (np.int32, (jobs, 2)),
        (np.int8, (jobs * MAX_CELLS,)), (np.int64, (jobs + 1,)), (np.int32, (jobs, 2)), (np.uint8, (jobs,)),
        (np.int64, (jobs,)),
    ]  # fmt: skip


class Slot:
    """The pool's side of a slot; grows as chunks do. `number` tells it from a worker's other ones."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._region: Region | None = None
        self._is_new = True
        self._sizes = (0, 0, 0)

    def ask(self, connection: Connection, code: Code, jobs: npt.NDArray[np.int32]) -> None:
        """Write a chunk, and tell the worker. Raises `OSError` where it is gone, `MemoryError` where memory is."""
        self._sizes = len(code.rows), len(code), len(jobs)
        fields = _fields(*self._sizes)
        needed = total_size(fields)
        if self._region is None or self._region.size < needed:
            self.close()
            self._region, self._is_new = Region.create(needed + needed // 2), True
        for array, source in zip(self._region.views(fields), (code.rows, code.starts, jobs), strict=False):
            array[...] = source
        connection.send(Request(self._number, self._region.size, self._is_new, *self._sizes))
        if self._is_new:
            send_handle(connection, self._region.descriptor, None)
            self._is_new = False

    def take(self) -> Runs:
        """What the worker wrote, copied out."""
        assert self._region is not None
        cells, starts, *rest = self._region.views(_fields(*self._sizes))[3:]
        return Runs.from_arrays([cells[: starts[-1]].copy(), starts.copy(), *(array.copy() for array in rest)])

    def move(self) -> None:
        """The slot goes to another worker, which has not seen its region yet."""
        self._is_new = True

    def close(self) -> None:
        """Free the region. Idempotent."""
        if self._region is not None:
            self._region.close()
            self._region = None


class SlotReader:
    """The worker's side: the region of each slot, which arrives with the slot's first message and may be replaced."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._regions: dict[int, Region] = {}

    def get(self, request: Request) -> tuple[Code, npt.NDArray[np.int32]]:
        """The chunk that a message announces."""
        if request.is_new:
            if old := self._regions.pop(request.slot, None):
                old.close()
            self._regions[request.slot] = Region(recv_handle(self._connection), request.size)
        rows, starts, jobs = self._views(request)[:3]
        return Code(rows, starts), jobs

    def answer(self, request: Request, runs: Runs) -> None:
        """Write the results behind the question."""
        for array, source in zip(self._views(request)[3:], runs.arrays(), strict=True):
            array[: len(source)] = source

    def _views(self, request: Request) -> list[npt.NDArray]:
        return self._regions[request.slot].views(_fields(request.lines, request.programs, request.jobs))


class SharedGrids:
    """Grids in shared memory; the pool's side."""

    def __init__(self, grids: GridTable) -> None:
        self.sizes = len(grids), len(grids.cells)
        fields = _grid_fields(*self.sizes)
        self._region = Region.create(total_size(fields))
        for array, source in zip(self._region.views(fields), (grids.starts, grids.shapes, grids.cells), strict=True):
            array[...] = source

    def send(self, connection: Connection) -> None:
        """Hand them to a worker. Raises `OSError` where it is gone."""
        connection.send((self.sizes, self._region.size))
        send_handle(connection, self._region.descriptor, None)

    def close(self) -> None:
        """Free them."""
        self._region.close()


def receive_grids(connection: Connection) -> GridTable:
    """A worker's view of the grids of its pool."""
    sizes, size = connection.recv()
    starts, shapes, cells = Region(recv_handle(connection), size).views(_grid_fields(*sizes))
    return GridTable(cells, starts, shapes)


def _grid_fields(grids: int, cells: int) -> list[Field]:
    return [(np.int64, (grids + 1,)), (np.int32, (grids, 2)), (np.int8, (cells,))]
