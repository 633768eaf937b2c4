"""`codeit bench fuzz`: wild programs through the machine in batches: how runs end, what they cost, and no bug.

A quarter are walks through the grammar, a quarter through the typed grammar, half are mutants of real programs
(`bench.wild`); each runs on one input of the training tasks. Batch k of a seed is the same in every run. With
CODEIT_CHECKED=1 in the environment it is the checked build that runs, in which a run that leaves its arena ends with
`internal_error`; with CODEIT_CHECKED unset it is the normal one.

Some batches run again, in another order, and must give the same bytes. A run that used much fuel is timed alone.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.wild import Real, mutant, real_programs, walk
from engine.progress import Display
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.grammar import Grammar
from interpreter.language.program import Program
from interpreter.machine.machine import Machine, Runs
from interpreter.runtime.native import CHECKED
from interpreter.runtime.outcome import Outcome

BATCH = 1000  # programs
REPEATED = 10  # one batch in so many runs twice
GRAMMARS = (Grammar(40), Grammar(80, typed=True))
SLOW_FUEL = 20_000  # a run that used so much is timed alone; the differential fuzzer times every run
RETRIES = 5  # the fastest counts, since other processes get in the way


class BugFound(RuntimeError):
    """The interpreter did what no program may make it do."""


@dataclass
class Found:
    """What the programs so far gave."""

    outcomes: Counter[str] = field(default_factory=Counter)
    fuel: list[npt.NDArray[np.int64]] = field(default_factory=list)
    repeated: int = 0
    worst_ms: float = 0.0
    worst_program: str = ""


def measure(programs: int = 100_000, seed: int = 0, solvers: Path | None = None) -> dict[str, Any]:
    """Run wild programs made from the programs of a file, or the embedded seeds.

    Raises `UsageError` for a file that is none and `BugFound`, with the program, for a bug of the interpreter.
    """
    tasks = load_tasks("arc1-train")
    real = real_programs(solvers) if solvers else _seeds()
    grids = GridTable.pack([grid for task in tasks for grid in (*task.inputs, *task.test_inputs)])
    machine, found, start = Machine(), Found(), time.perf_counter()
    with Display() as display, display.phase("programs", programs) as update:
        for number, first in enumerate(range(0, programs, BATCH)):
            generator = np.random.default_rng([seed, number])
            batch = [_wild(real, generator) for _ in range(min(BATCH, programs - first))]
            _run_batch(machine, batch, grids, generator, found, twice=number % REPEATED == 0)
            update(first + len(batch), note=f"worst {found.worst_ms:.1f} ms")
    fuel = np.concatenate(found.fuel)
    return {
        "build": "checked" if CHECKED else "normal",
        "programs": programs,
        "outcomes": dict(found.outcomes.most_common()),
        "internal_errors": found.outcomes[Outcome.INTERNAL_ERROR.label],
        "repeated": found.repeated,
        "fuel": {f"p{p}": int(np.percentile(fuel, p)) for p in (50, 90, 99, 99.9, 100)},
        "worst_ms": round(found.worst_ms, 2),
        "worst_program": found.worst_program,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _seeds() -> list[Real]:
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    return [Real(seed.task, seed.program) for seed in load_seeds(None, tasks)]


def _wild(real: list[Real], generator: np.random.Generator) -> Program:
    kind = int(generator.integers(4))
    if kind < len(GRAMMARS):
        return walk(GRAMMARS[kind], generator)
    return mutant(real[int(generator.integers(len(real)))].program, generator)


def _run_batch(
    machine: Machine,
    batch: list[Program],
    grids: GridTable,
    generator: np.random.Generator,
    found: Found,
    twice: bool,
) -> None:
    code = Code.assemble(batch)
    inputs = generator.integers(len(grids), size=len(batch))
    jobs = np.stack([np.arange(len(batch)), inputs], axis=1).astype(np.int32)
    runs = machine.run(code, grids, jobs)
    found.outcomes.update(Outcome(outcome).label for outcome in runs.outcomes)
    found.fuel.append(runs.fuel)
    bugs = np.flatnonzero(runs.outcomes == Outcome.INTERNAL_ERROR)
    if len(bugs):
        raise BugFound(f"input {inputs[bugs[0]]} and this program leave the arena:\n{batch[bugs[0]].text}")
    if twice:
        _check_same(machine, code, grids, jobs, runs, generator)
        found.repeated += len(batch)
    for k in np.flatnonzero(runs.fuel >= SLOW_FUEL):
        milliseconds = _milliseconds(machine, code, grids, jobs[k : k + 1], found.worst_ms)
        if milliseconds > found.worst_ms:
            found.worst_ms, found.worst_program = milliseconds, batch[k].text


def _check_same(
    machine: Machine,
    code: Code,
    grids: GridTable,
    jobs: npt.NDArray[np.int32],
    runs: Runs,
    generator: np.random.Generator,
) -> None:
    """Raise `BugFound` unless the jobs in another order, one left out, give the same bytes."""
    order = generator.permutation(len(jobs))[1:]
    again = machine.run(code, grids, jobs[order])
    for ours, theirs in zip(again.arrays(), runs.take(order).arrays(), strict=True):
        if ours.tobytes() != theirs.tobytes():
            raise BugFound("a batch in another order gives other results")


def _milliseconds(machine: Machine, code: Code, grids: GridTable, job: npt.NDArray[np.int32], enough: float) -> float:
    """The time of one run by itself: the fastest of some, or the first that is not slower than `enough`."""
    fastest = np.inf
    for _ in range(RETRIES):
        start = time.perf_counter()
        machine.run(code, grids, job)
        fastest = min(fastest, 1e3 * (time.perf_counter() - start))
        if fastest <= enough:
            break
    return float(fastest)
