"""Batches and results in shared memory, between a pool and one of its workers.

A slot is a region for one chunk: what is asked (bytecode and jobs), and behind it room for what comes of it. The
pool owns the region and writes the question; a small message through a pipe says how large it is; the worker writes
the answer and says so. Nothing is pickled but the message. A slot is one side's at a time, so it needs no lock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import MAX_CELLS, Runs

_Field = tuple[type[np.generic], tuple[int, ...]]  # of an array: the kind of its items, its shape


class Request(NamedTuple):
    """The message to a worker: where the chunk lies, and how large it is."""

    region: str
    lines: int
    programs: int
    jobs: int


def _fields(lines: int, programs: int, jobs: int) -> list[_Field]:
    """The arrays of a slot in order: `rows`, `starts` and jobs of the question, then `Runs.arrays` of the answer."""
    return [
        (np.int64, (lines, 6)), (np.int64, (programs + 1,)), (np.int32, (jobs, 2)),
        (np.int8, (jobs * MAX_CELLS,)), (np.int64, (jobs + 1,)), (np.int32, (jobs, 2)), (np.uint8, (jobs,)),
        (np.int64, (jobs,)),
    ]  # fmt: skip


def _size(field: _Field) -> int:
    """Bytes of an array, in whole words."""
    kind, shape = field
    return -8 * (-np.dtype(kind).itemsize * math.prod(shape) // 8)


def views(memory: SharedMemory, fields: Sequence[_Field]) -> list[npt.NDArray]:
    """The arrays that lie in `memory` one after the other. They keep it from being closed while they live."""
    arrays = []
    at = 0
    for field in fields:
        kind, shape = field
        arrays.append(np.frombuffer(memory.buf, kind, math.prod(shape), at).reshape(shape))
        at += _size(field)
    return arrays


def _free(memory: SharedMemory) -> None:
    memory.close()
    memory.unlink()


class Slot:
    """The pool's side of a slot; grows as chunks do."""

    def __init__(self) -> None:
        self._memory: SharedMemory | None = None
        self._request: Request | None = None

    def put(self, code: Code, jobs: npt.NDArray[np.int32]) -> Request:
        """Write a chunk; the message for the worker."""
        sizes = len(code.rows), len(code), len(jobs)
        fields = _fields(*sizes)
        needed = sum(map(_size, fields))
        if self._memory is None or self._memory.size < needed:
            self.close()
            self._memory = SharedMemory(create=True, size=needed + needed // 2)
        for array, source in zip(views(self._memory, fields), (code.rows, code.starts, jobs), strict=False):
            array[...] = source
        self._request = Request(self._memory.name, *sizes)
        return self._request

    def take(self) -> Runs:
        """What the worker wrote, copied out."""
        _, lines, programs, jobs = self._request
        cells, starts, *rest = views(self._memory, _fields(lines, programs, jobs))[3:]
        return Runs.from_arrays([cells[: starts[-1]].copy(), starts.copy(), *(array.copy() for array in rest)])

    def close(self) -> None:
        """Free the region. Idempotent."""
        if self._memory is not None:
            _free(self._memory)
            self._memory = None


class SlotReader:
    """The worker's side: regions are attached when they are first named, and let go when another takes their place."""

    def __init__(self, slots: int) -> None:
        self._regions: list[SharedMemory] = []
        self._slots = slots

    def get(self, request: Request) -> tuple[Code, npt.NDArray[np.int32]]:
        """The chunk that a message announces."""
        rows, starts, jobs = self._views(request)[:3]
        return Code(rows, starts), jobs

    def answer(self, request: Request, runs: Runs) -> None:
        """Write the results behind the question."""
        for array, source in zip(self._views(request)[3:], runs.arrays(), strict=True):
            array[: len(source)] = source

    def _views(self, request: Request) -> list[npt.NDArray]:
        return views(self._attached(request.region), _fields(request.lines, request.programs, request.jobs))

    def _attached(self, name: str) -> SharedMemory:
        for region in self._regions:
            if region.name == name:
                return region
        if len(self._regions) == self._slots:
            self._regions.pop(0).close()
        self._regions.append(SharedMemory(name=name))  # the pool alone unlinks it: spawned children share its tracker
        return self._regions[-1]


class SharedGrids:
    """Grids in shared memory; the pool's side."""

    def __init__(self, grids: GridTable) -> None:
        self.sizes = len(grids), len(grids.cells)
        fields = _grid_fields(*self.sizes)
        self._memory = SharedMemory(create=True, size=sum(map(_size, fields)))
        for array, source in zip(views(self._memory, fields), (grids.starts, grids.shapes, grids.cells), strict=True):
            array[...] = source
        self.name = self._memory.name

    def close(self) -> None:
        """Free them."""
        _free(self._memory)


def _grid_fields(grids: int, cells: int) -> list[_Field]:
    return [(np.int64, (grids + 1,)), (np.int32, (grids, 2)), (np.int8, (cells,))]


def attach_grids(name: str, sizes: tuple[int, int]) -> tuple[SharedMemory, GridTable]:
    """A worker's view of shared grids, and the memory that must stay open for it."""
    memory = SharedMemory(name=name)
    starts, shapes, cells = views(memory, _grid_fields(*sizes))
    return memory, GridTable(cells, starts, shapes)
