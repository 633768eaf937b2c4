"""The second half of a discovery: mutants of what was found, tried on every task that is not solved yet.

A round has two steps. Together: mutants of all programs found so far, each tried on one demonstration of every unsolved
task. Apart: for each unsolved task, mutants of its near misses, tried on the demonstration that most of them get wrong.
What matches is run on all demonstrations; programs that are right on some are near misses, and those right on all are
tried on the tests, to be accepted. Programs and near misses that a round finds are parents in the next.

The same state and seed give the same round, for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from engine.search.journal import Journal, Near
from engine.tasks import Task
from engine.trial import try_programs
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import observed_kinds
from interpreter.machine.machine import Machine
from interpreter.machine.screening import Screen
from interpreter.mutation.mutator import Mutator, Rates, Seen
from interpreter.runtime.digests import grid_digests

TOGETHER = 20_000  # mutants a round that are tried on every unsolved task
APART = 4_000  # mutants a round for each unsolved task that has near misses
RATES = Rates(argument=0.3, function=0.25, definition=0.25, cut=0.05, splice=0.2, constant=0.1, again=0.4)
MAX_LINES = 16
MATCHES = 64  # of one task and step that are looked at: the shortest
NEAR = 24  # near misses of a task that are kept
PARENTS = 40  # programs found that each task's near misses can borrow fragments from
FUEL = 200_000


@dataclass
class _Problem:
    """One unsolved task: its near misses, and the mutants of them that were tried."""

    task: Task
    near: Near
    seen: Seen = field(default_factory=Seen)
    inputs: GridTable = field(init=False)
    targets: npt.NDArray[np.int64] = field(init=False)  # digests of the outputs

    def __post_init__(self) -> None:
        self.inputs = GridTable.pack(self.task.inputs)
        self.targets = grid_digests(GridTable.pack(self.task.outputs))

    def matches(
        self, screen: Screen, code: Code, order: npt.NDArray[np.int64], demonstration: int
    ) -> npt.NDArray[np.int64]:
        """Those of the programs `order` that are right on a demonstration."""
        digests = screen.run(code, self.inputs, demonstration, order)
        return np.sort(order[digests == self.targets[demonstration]])

    def right(self, screen: Screen, programs: Symbols) -> npt.NDArray[np.bool_]:
        """Whether each program is right on each demonstration: bool of (demonstrations, programs)."""
        code = programs.code()
        order = order_by_lines(code)
        right = np.zeros((len(self.targets), len(programs)), np.bool_)
        for demonstration in range(len(self.targets)):
            right[demonstration, self.matches(screen, code, order, demonstration)] = True
        return right

    def smallest(self) -> int:
        """The demonstration whose grids are smallest."""
        return int(np.argmin([a.size + b.size for a, b in self.task.demonstrations]))


@dataclass(frozen=True)
class _Worker:
    """What a thread needs for itself."""

    screen: Screen
    machine: Machine


@dataclass(frozen=True)
class _Result:
    """What a step gave for one task: the accepted program, if any, and new near misses; the runs it took."""

    program: Program | None
    near: Near
    runs: int


class Recombination:
    """The rounds of a discovery: what is known of each unsolved task, and which mutants were made."""

    def __init__(
        self, tasks: Sequence[Task], journal: Journal, seed: int, threads: ThreadPoolExecutor, workers: int
    ) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._problems = {task.id: _Problem(task, []) for task in tasks}
        self._journal, self._seed, self._threads = journal, seed, threads
        self._workers: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(workers):
            self._workers.put(_Worker(Screen(FUEL), Machine(FUEL)))
        self._seen = Seen()

    def round(self, is_over: Callable[[], bool]) -> int:
        """One round; the runs of mutants that it made, 0 where there was nothing to do or no time for it."""
        found, number = self._journal.found, self._journal.found.rounds
        runs = 0
        for step in (_together, _apart):
            problems = [problem for problem in self._problems.values() if problem.task.id not in found.programs]
            for problem in problems:
                problem.near = _best([*problem.near, *found.near.get(problem.task.id, [])])
            jobs = step(problems, _parents(found.programs, self._tasks), self._seen, self._seed, number)
            if not jobs:
                continue
            results = self._threads.map(lambda job: _with_worker(self._workers, job, is_over), jobs)
            for problem, result in zip(problems, results, strict=True):
                runs += result.runs
                problem.near = _best([*problem.near, *result.near])
                if result.program is not None:
                    self._journal.solved(problem.task.id, result.program)
        if is_over() or runs == 0:
            return 0
        self._journal.mutated(number)
        return runs


_Job = Callable[[_Worker], _Result]


def _with_worker(pool: SimpleQueue[_Worker], job: _Job, is_over: Callable[[], bool]) -> _Result:
    if is_over():
        return _Result(None, [], 0)
    worker = pool.get()
    try:
        return job(worker)
    finally:
        pool.put(worker)


# --------------------------------------------------------------------------------------------- steps


def _together(
    problems: Sequence[_Problem], parents: Sequence[tuple[Task, Program]], seen: Seen, seed: int, number: int
) -> list[_Job]:
    """Mutants of all programs found, for every task; in the first round these programs themselves, too."""
    if not parents:
        return []
    symbols = Symbols.pack([program for _, program in parents])
    inputs = GridTable.pack([task.inputs[0] for task, _ in parents])
    kinds = observed_kinds(symbols, inputs, np.arange(len(parents)))
    mutants = Mutator(symbols, kinds, RATES, MAX_LINES, seen).mutants(TOGETHER, (seed, number, 0)).programs
    programs = Symbols.concatenate([symbols, mutants]) if number == 0 else mutants
    code = programs.code()
    order = order_by_lines(code)
    return [_job(problem, programs, code, order, problem.smallest()) for problem in problems]


def _apart(
    problems: Sequence[_Problem], parents: Sequence[tuple[Task, Program]], _seen: Seen, seed: int, number: int
) -> list[_Job]:
    """Mutants of each task's own near misses, which borrow from programs found elsewhere."""
    return [
        _mutants_job(problem, [program for _, program in parents], (seed, number, 1 + k))
        for k, problem in enumerate(problems)
    ]


def _mutants_job(problem: _Problem, donors: Sequence[Program], seed: tuple[int, ...]) -> _Job:
    def work(worker: _Worker) -> _Result:
        if not problem.near:
            return _Result(None, [], 0)
        own = [program for program, _ in problem.near]
        generator = np.random.default_rng(seed)
        borrowed = [donors[k] for k in generator.permutation(len(donors))[:PARENTS]]
        symbols = Symbols.pack([*own, *borrowed])
        kinds = observed_kinds(symbols, problem.inputs, np.zeros(len(symbols), np.int64))
        mutator = Mutator(symbols, kinds, RATES, MAX_LINES, problem.seen)
        parents = np.concatenate([np.repeat(np.arange(len(own)), 4), np.arange(len(own), len(symbols))])
        programs = mutator.mutants(APART, seed, parents=parents).programs
        code = programs.code()
        hardest = int(np.argmin(problem.right(worker.screen, Symbols.pack(own)).sum(axis=1)))
        return _job(problem, programs, code, order_by_lines(code), hardest)(worker)

    return work


def _job(problem: _Problem, programs: Symbols, code: Code, order: npt.NDArray[np.int64], demonstration: int) -> _Job:
    """Try programs on one demonstration, and those that match on all."""

    def work(worker: _Worker) -> _Result:
        matches = problem.matches(worker.screen, code, order, demonstration)
        lengths = np.diff(programs.starts)[matches]
        matches = matches[np.argsort(lengths, kind="stable")[:MATCHES]]
        if not len(matches):
            return _Result(None, [], len(programs))
        some = programs.take(matches)
        right = problem.right(worker.screen, some).sum(axis=0)
        near = []
        for k, count in enumerate(right.tolist()):
            program = some.program(k)
            if count < len(problem.task.inputs):
                near.append((program, count))
            elif try_programs([(problem.task, program)], worker.machine)[0].solves:
                return _Result(program, [], len(programs))
        return _Result(None, near, len(programs))

    return work


# ------------------------------------------------------------------------------------------ programs


def _best(near: Near) -> Near:
    """The best near misses: right on most demonstrations, then the shortest; each program once."""
    distinct = {program.text: (program, right) for program, right in near}
    return sorted(distinct.values(), key=lambda one: (-one[1], len(one[0].text), one[0].text))[:NEAR]


def _parents(programs: Mapping[str, Program], tasks: Mapping[str, Task]) -> list[tuple[Task, Program]]:
    """The programs found, each once, with a task that it solves."""
    known = {program.text: (tasks[task], program) for task, program in sorted(programs.items()) if task in tasks}
    return list(known.values())
