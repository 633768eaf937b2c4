"""`codeit bench fuzz`: wild programs through the machine in batches: how runs end, what they cost, and no bug.

One in twenty calls a primitive on the largest arguments that can be named (`material.extremes`), the primitives in
turn; of the rest a quarter are walks through the grammar, a quarter through the typed grammar, half are mutants of real
programs (`material.wild`). Each runs on one input of the training tasks. Batch k of a seed is the same in every run.
With CODEIT_CHECKED=1 in the environment it is the checked build that runs, in which a run that leaves its arena ends
with `internal_error`; with CODEIT_CHECKED unset it is the normal one.

Some batches run again, in another order, and must give the same bytes. Every run is timed alone, in processor time:
fuel should bound time, so that both the slowest run and the dearest unit of fuel are told, this one of runs of
`FLOOR` or longer, for what a run costs in any case is not charged.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.material.extremes import extreme
from bench.material.wild import mutant, walk
from engine.progress import Display
from engine.seeds.seed import Seed, load_seeds
from engine.tasks import training_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.grammar import Grammar
from interpreter.language.program import Program
from interpreter.machine.machine import Machine, Runs
from interpreter.primitives import PRIMITIVES
from interpreter.runtime.native import CHECKED
from interpreter.runtime.outcome import Outcome

BATCH = 1000  # programs
REPEATED = 10  # one batch in so many runs twice
_NAMES = tuple(PRIMITIVES)
GRAMMARS = (Grammar(40), Grammar(80, typed=True))
EXTREME = 20  # one program in so many is an extreme one
FLOOR = 20e-6  # seconds
RETRIES = 5  # the fastest counts, since other processes get in the way
FEW, MUCH = 10, 20_000  # runs at a time, so that the call of the machine counts little, up to so much fuel
ENOUGH = 1e-3  # seconds of a thorough measurement, of as many runs as that takes
DEAREST = 10  # primitives to be told


class BugFound(RuntimeError):
    """The interpreter did what no program may make it do."""


@dataclass(frozen=True)
class Wild:
    """A program, and the primitive that it is an extreme one of."""

    program: Program
    primitive: str = ""


@dataclass(frozen=True)
class Run:
    """A run that was timed: `input` is an index of the inputs of the training tasks."""

    seconds: float = 0.0
    fuel: int = 1
    input: int = -1
    program: str = ""

    @property
    def price(self) -> float:
        """Seconds a unit of fuel."""
        return self.seconds / self.fuel

    def told(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            "ns_per_fuel": round(1e9 * self.price, 1),
            "ms": round(1e3 * self.seconds, 3),
            "fuel": self.fuel,
            "input": self.input,
            "program": self.program,
        }


@dataclass
class Found:
    """What the programs so far gave."""

    outcomes: Counter[str] = field(default_factory=Counter)
    fuel: list[npt.NDArray[np.int64]] = field(default_factory=list)
    repeated: int = 0
    slowest: Run = Run()
    dearest: Run = Run()
    by_primitive: dict[str, float] = field(default_factory=dict)  # the dearest of its extreme programs


def measure(programs: int = 100_000, seed: int = 0, solvers: Path | None = None) -> dict[str, Any]:
    """Run wild programs made from the programs of a file, or the embedded seeds.

    Raises `UsageError` for a file that is none and `BugFound`, with the program, for a bug of the interpreter.
    """
    tasks = training_tasks()
    real = load_seeds(solvers, tasks)
    grids = GridTable.pack([grid for task in tasks.values() for grid in (*task.inputs, *task.test_inputs)])
    machine, found, start = Machine(), Found(), time.perf_counter()
    with Display() as display, display.phase("programs", programs) as update:
        for number, first in enumerate(range(0, programs, BATCH)):
            generator = np.random.default_rng([seed, number])
            batch = [_wild(real, generator, first + k) for k in range(min(BATCH, programs - first))]
            _run_batch(machine, batch, grids, generator, found, twice=number % REPEATED == 0)
            update(first + len(batch), note=f"slowest {1e3 * found.slowest.seconds:.1f} ms")
    fuel = np.concatenate(found.fuel)
    by_price = sorted(found.by_primitive.items(), key=lambda item: -item[1])
    return {
        "build": "checked" if CHECKED else "normal",
        "programs": programs,
        "outcomes": dict(found.outcomes.most_common()),
        "internal_errors": found.outcomes[Outcome.INTERNAL_ERROR.label],
        "repeated": found.repeated,
        "fuel": {f"p{p}": int(np.percentile(fuel, p)) for p in (50, 90, 99, 99.9, 100)},
        "worst_ms": round(1e3 * found.slowest.seconds, 2),
        "worst_program": found.slowest.program,
        "dearest": found.dearest.told(),
        "dearest_primitives": {name: round(1e9 * price, 1) for name, price in by_price[:DEAREST]},
        "seconds": round(time.perf_counter() - start, 1),
    }


def _wild(real: list[Seed], generator: np.random.Generator, number: int) -> Wild:
    if number % EXTREME == 0:
        primitive = _NAMES[number // EXTREME % len(_NAMES)]
        return Wild(extreme(primitive, generator), primitive)
    kind = int(generator.integers(4))
    if kind < len(GRAMMARS):
        return Wild(walk(GRAMMARS[kind], generator))
    return Wild(mutant(real[int(generator.integers(len(real)))].program, generator))


def _run_batch(
    machine: Machine,
    batch: list[Wild],
    grids: GridTable,
    generator: np.random.Generator,
    found: Found,
    twice: bool,
) -> None:
    code = Code.assemble([wild.program for wild in batch])
    inputs = generator.integers(len(grids), size=len(batch))
    jobs = np.stack([np.arange(len(batch)), inputs], axis=1).astype(np.int32)
    runs = machine.run(code, grids, jobs)
    found.outcomes.update(Outcome(outcome).label for outcome in runs.outcomes)
    found.fuel.append(runs.fuel)
    bugs = np.flatnonzero(runs.outcomes == Outcome.INTERNAL_ERROR)
    if len(bugs):
        raise BugFound(f"input {inputs[bugs[0]]} and this program leave the arena:\n{batch[bugs[0]].program.text}")
    if twice:
        _check_same(machine, code, grids, jobs, runs, generator)
        found.repeated += len(batch)
    for k, wild in enumerate(batch):
        _time(machine, code, grids, jobs[k : k + 1], int(runs.fuel[k]), wild, found)


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


def _time(
    machine: Machine,
    code: Code,
    grids: GridTable,
    job: npt.NDArray[np.int32],
    fuel: int,
    wild: Wild,
    found: Found,
) -> None:
    """Time a run by itself: thoroughly where it seems to be the slowest or the dearest so far."""
    seconds = _seconds(machine, code, grids, np.tile(job, (1 if fuel > MUCH else FEW, 1)))
    price = found.by_primitive.get(wild.primitive, 0.0) if wild.primitive else found.dearest.price
    if seconds < FLOOR or (seconds <= found.slowest.seconds and seconds / fuel <= price):
        return
    many = np.tile(job, (1 + int(ENOUGH / seconds), 1))
    seconds = min(_seconds(machine, code, grids, many) for _ in range(RETRIES))
    run = Run(seconds, fuel, int(job[0, 1]), wild.program.text)
    found.slowest = max(found.slowest, run, key=lambda run: run.seconds)
    if seconds < FLOOR:
        return
    found.dearest = max(found.dearest, run, key=lambda run: run.price)
    if wild.primitive:
        found.by_primitive[wild.primitive] = max(found.by_primitive.get(wild.primitive, 0.0), run.price)


def _seconds(machine: Machine, code: Code, grids: GridTable, jobs: npt.NDArray[np.int32]) -> float:
    """Processor time of one of the runs."""
    start = time.thread_time()
    machine.run(code, grids, jobs)
    return (time.thread_time() - start) / len(jobs)
