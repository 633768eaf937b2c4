"""Programs of a source in batches, as arrays: what is no program, or is for another task, is counted and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from engine.evaluation.sources import Stored
from engine.seeds.solver_source import SourceError, read_program
from interpreter.language.program import Program, ProgramError
from interpreter.language.symbols import Symbols

BATCH = 50_000  # programs that are read and run at a time: what is alike among more of them runs once
PARSED = 2_000  # programs that are objects at a time

OTHER_TASK, REPEATED, NO_PROGRAM = "for other tasks", "repeated in a batch", "no program"


@dataclass(frozen=True)
class Batch:
    """Programs in order; `owners` int64 has the number of the task that each is for, -1 where it is for all."""

    programs: Symbols
    owners: npt.NDArray[np.int64]
    origins: list[str]
    meta_iterations: list[int | None]
    read: int
    """programs of the source that this batch took, those left out included"""
    left_out: Counter[str]
    problem: str | None
    """what is wrong with the first that is no program"""


def batches(stored: Iterable[Stored], tasks: Mapping[str, int], size: int = BATCH) -> Iterator[Batch]:
    """The batches of a source for `tasks`, the number of each by its id."""
    rest = iter(stored)
    while some := list(islice(rest, size)):
        yield _batch(some, tasks)


def _batch(stored: list[Stored], tasks: Mapping[str, int]) -> Batch:
    parts: list[Symbols] = []
    owners: list[int] = []
    kept: list[Stored] = []
    left_out: Counter[str] = Counter()
    problems: list[str] = []
    known: set[tuple[str | Program, int, str]] = set()
    for start in range(0, len(stored), PARSED):
        programs = []
        for one in stored[start : start + PARSED]:
            if one.left_out is not None:
                left_out[one.left_out] += 1
                continue
            program = _program(one)
            if isinstance(program, str):
                left_out[NO_PROGRAM] += 1
                problems = problems or [program]
                continue
            owner = -1 if one.task is None else tasks.get(one.task)
            if owner is None:
                left_out[OTHER_TASK] += 1
            elif (key := (one.program, owner, one.origin)) in known:
                left_out[REPEATED] += 1
            else:
                known.add(key)
                programs.append(program)
                owners.append(owner)
                kept.append(one)
        parts.append(Symbols.pack(programs))
    return Batch(
        Symbols.concatenate(parts), np.array(owners, np.int64),
        [one.origin for one in kept], [one.meta_iteration for one in kept],
        len(stored), left_out, problems[0] if problems else None,
    )  # fmt: skip


def _program(stored: Stored) -> Program | str:
    """The canonical program, or what is wrong."""
    if stored.problem is not None:
        return stored.problem
    if isinstance(stored.program, Program):
        return stored.program
    try:
        return read_program(stored.program).pruned()
    except (ProgramError, SourceError) as error:
        return str(error)
