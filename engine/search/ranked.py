"""`codeit search`: everything that matches a demonstration is scored and ranked, in a folder that it goes on from."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from engine.evaluation import Scoreboard, summary_record
from engine.progress import Display
from engine.ranking import Method
from engine.search import effort
from engine.search.acceptance import Finding, Ranked
from engine.search.composition.ingredients import Ingredient
from engine.search.demonstrations import Demonstrations
from engine.search.folder import SearchFolder, entry_of
from engine.search.limits import Limits, Spent
from engine.search.population import Population
from engine.search.search import Batch, Search
from engine.search.sources.combined import Combined
from engine.search.sources.composition import Compose
from engine.search.sources.enumeration import Enumerate
from engine.search.sources.given import Given
from engine.search.sources.mutation import Mutate, Remutate
from engine.search.sources.recombination import Recombine
from engine.search.sources.source import Proposal, Source, State
from engine.search.workers import Clock, OpenWorkers, Workers
from engine.seeds.seed import Seed
from engine.tasks import Task
from engine.tasks.task_set import short_name
from interpreter.language.program import Program, parse
from interpreter.language.symbols import Symbols
from interpreter.machine.pool import default_workers
from interpreter.mutation.mutator import Rates, program_keys

# The source of each method: made of what is known, the seeds, and the tasks that these belong to.
METHODS: dict[str, Callable[[State, Sequence[Seed], Mapping[str, Task]], Source]] = {
    "mutate": Mutate,
    "remutate": lambda state, _seeds, _tasks: Remutate(state),
    "recombine": lambda state, _seeds, _tasks: Recombine(state),
    "enumerate": lambda state, _seeds, _tasks: Enumerate(state),
    "compose": Compose,
    "all": Combined,
}
POLICY = "policy"  # the method of programs that a policy wrote, in the search of a run
IDLE = 200  # batches in a row that run nothing, after which nothing is left: more than two cycles of all methods
# Numbers of programs at which the curve has a point: the paper's, and some between.
MINUTES = (1, 2, 4, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240)  # and the minutes at which it has one
MILESTONES = (9_600, 19_200, 51_200, 150_000, 400_000, 700_000, 1_000_000, 1_430_000)


@dataclass(frozen=True)
class SearchSettings:
    """What decides the outcome of a search; kept in its folder."""

    tasks: str
    task_ids: Sequence[str]
    limit: int | None
    seed: int
    exhaustive: bool
    fuel: int
    keep_repeats: bool
    rates: Mapping[str, float]
    leave_own_out: bool = False
    without: Sequence[Ingredient] = ()
    tasks_hash: str = ""
    """of the tasks that were searched; empty in folders of earlier versions"""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "task_ids": list(self.task_ids), "without": list(self.without)}


class RankedSearch:
    """A search in its folder, from wherever its progress says it is. A context manager."""

    def __init__(
        self,
        settings: SearchSettings,
        folder: SearchFolder,
        tasks: Sequence[Task],
        training_tasks: Mapping[str, Task],
        seeds: Sequence[Seed],
        display: Display,
        workers: int | None = None,
        open_workers: OpenWorkers = Workers,
    ) -> None:
        self.settings, self.folder, self.tasks, self.display = settings, folder, tasks, display
        self.board = Scoreboard(tasks)
        self._training_tasks, self._seeds = training_tasks, seeds
        self._numbers = {task.id: number for number, task in enumerate(tasks)}
        how_much = replace(effort.RANKED, rates=Rates(**settings.rates), keep_repeats=settings.keep_repeats)
        how_much = how_much.sparing([Ingredient(name) for name in settings.without])
        self._workers = open_workers(workers or default_workers(), settings.fuel, settings.fuel)
        state = State(
            tasks,
            Demonstrations(tasks),
            Ranked(tasks, settings.exhaustive),
            self._workers,
            how_much,
            settings.seed,
            Population(how_much.kept),
            settings.leave_own_out,
        )
        progress = folder.progress()
        self.search = Search(state, self, progress.get("programs", 0), progress.get("runs", 0))
        self._seconds: float = progress.get("seconds", 0.0)
        self._start = 0.0  # when it would have begun, had it never stopped
        self._batches: Counter[str] = Counter(progress.get("batches", {}))
        self._minutes = max((minute for minute in MINUTES if 60 * minute <= self._seconds), default=0)
        self._offset = progress.get("offset", 0)  # programs that have run of a batch of mutants that was begun
        self._counts: Counter[str] = Counter(progress.get("counts", {}))  # of batches that are done
        self._begun: Counter[str] = Counter()  # of the one that is not
        self._rows: list[dict[str, Any]] = []  # of the batch that runs
        self._keys: list[npt.NDArray[np.int64]] = []
        self._method = ""
        self._asked: dict[str, Any] = {}
        self._sources: dict[str, Source] = {}
        self._clock = Clock(stopped=self._workers.stopped)
        self._restore(state)

    def _restore(self, state: State) -> None:
        """Learn what the folder holds."""
        for row in self.folder.rows():
            task, entry = self._numbers[row["task"]], entry_of(row)
            state.population.add(task, entry)
            if entry.performance == 1.0:
                state.population.solve(task, entry.program)
            self.board.take(row["task"], entry)
        for seen, keys in zip((state.programs, state.behaviours), self.folder.keys().T, strict=True):
            seen.add(keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._workers.close()

    @property
    def spent(self) -> Spent:
        """What it has cost so far."""
        return Spent(self.search.programs, self.search.runs, self._seconds)

    def run(self, method: str, limits: Limits) -> dict[str, Any]:
        """Search by one method until a limit is reached; the content of `summary.json`.

        It ends after a whole batch, but where `limits.programs` cuts it.
        """
        self._start = time.perf_counter() - self._seconds
        self._asked = {"method": method, "limits": asdict(limits)}
        self.folder.commit(self._progress(), self.summary())  # one that is killed in its first batch knows it, too
        if method not in self._sources:
            self._sources[method] = METHODS[method](self.search.state, self._seeds, self._training_tasks)
        idle = 0
        while not limits.are_reached(self.spent):
            before = self.spent
            if not self._batch(method, self._sources[method], limits.programs) or idle == IDLE:
                self.display.say(f"{method}: nothing is left to try")
                break
            idle = 0 if (self.spent.programs, self.spent.runs) != (before.programs, before.runs) else idle + 1
            self.shown(limits)
        return self.summary()

    def learn(self, programs: Sequence[tuple[str, Program]]) -> None:
        """Take in what a policy wrote for tasks, by their ids, as a batch of the method `policy`.

        What matches a demonstration is a parent and a piece of whatever is tried next, and a row of `search.jsonl`.
        """
        self._start = time.perf_counter() - self._seconds
        given = [(self._numbers[task], program) for task, program in programs]
        self._batch(POLICY, Given(self.search.state, given))

    def batches(self, method: str) -> int:
        """How many batches of a method are done."""
        return self._batches[method]

    def _batch(self, method: str, source: Source, programs: int | None = None) -> bool:
        """Run a batch, until `programs` ran in all; whether there was one."""
        before = self.search.programs
        self._method = method
        self._begun.clear()
        most = math.inf if programs is None else programs - before
        skip = self._offset if source.repeats else 0
        with self.display.phase(f"{method}, batch {self._batches[method]}") as watch:
            batch = self.search.batch(source, self._batches[method], self._clock, skip, most, watch)
        if batch is None:
            return False
        self._seconds = time.perf_counter() - self._start
        self._points(before, final=self.search.programs == programs)
        self._minute()
        self._commit(source, batch)
        return True

    def shown(self, limits: Limits) -> None:
        """Show how far it is, after a batch."""
        self.display.overall(self._method, self.search.programs, limits.programs, self._note())

    def record(self, proposal: Proposal, findings: list[Finding]) -> None:
        """Keep rows and keys; they are written when the batch is done.

        What was found is the parent of mutants, which must not be made again: its keys are kept, too.
        """
        self._rows += [self._row(finding) for finding in findings]
        keys = program_keys(Symbols.pack([parse(finding.entry.program) for finding in findings]))
        new = keys[self.search.state.programs.add(keys)]
        self._keys += [proposal.keys, np.stack([new, new], axis=1)]
        self._begun.update(proposal.counts)

    def _commit(self, source: Source, batch: Batch) -> None:
        """Write what a batch found; the rest of one that can be proposed again is for later."""
        keys = np.concatenate(self._keys)
        if source.repeats and not batch.is_whole:
            self._offset += batch.programs
            keys = keys[:0]
        else:
            self._offset = 0 if source.repeats else self._offset
            self._batches[self._method] += 1
            self._counts += self._begun
            self._begun.clear()
        self.folder.append(self._rows, keys)
        self.folder.commit(self._progress(), self.summary())
        self._rows, self._keys = [], []

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json` for what was found so far."""
        record = summary_record(short_name(self.settings.tasks), None, self.board, len(self.tasks), self._seconds)
        return {**record, "programs": self.search.programs, "runs": self.search.runs, "matching": self.board.programs}

    @property
    def counts(self) -> dict[str, int]:
        """What became of candidates: made, valid on their own task, and of these what does nothing new there.

        Of all batches that were begun, whole ones.
        """
        return dict(self._counts + self._begun)

    def _row(self, finding: Finding) -> dict[str, Any]:
        task, entry = self.tasks[finding.task].id, finding.entry
        return {
            "number": entry.found,
            "task": task,
            "program": entry.program,
            "demonstration_performance": entry.performance,
            "right": self.board.is_right(task, entry),
            "prediction": entry.prediction.hex(),
            "method": self._method,
        }

    def _points(self, before: int, final: bool) -> None:
        """Enter the rows of a batch into the scores, with a point of the curve wherever one is due."""
        due = [n for n in MILESTONES if before < n <= self.search.programs]
        if final and self.search.programs not in due:
            due.append(self.search.programs)
        waiting = iter(self._rows)
        row = next(waiting, None)
        for number in [*due, math.inf]:
            while row is not None and row["number"] < number:
                self.board.take(row["task"], entry_of(row))
                row = next(waiting, None)
            if number is not math.inf:
                self._point(int(number))

    def _minute(self) -> None:
        """A point of the curve where a round number of minutes has gone by; rows are in the scores by now."""
        gone = [minute for minute in MINUTES if 60 * minute <= self._seconds]
        if gone and gone[-1] > self._minutes:
            self._minutes = gone[-1]
            self._point(self.search.programs)

    def _point(self, programs: int) -> None:
        solved = self.board.summary()
        point = {
            "programs": programs, "runs": self.search.runs, "seconds": round(self._seconds, 1), "solved": solved,
            **self.counts,
        }  # fmt: skip
        self.folder.append_point(point)
        self.said(programs, solved)

    def said(self, programs: int, solved: Mapping[str, Mapping[str, int]]) -> None:
        """Say what a point of the curve has."""
        figures = ", ".join(f"{method} {solved[method]['pass@3']}" for method in map(str, Method))
        self.display.say(f"{programs:,} programs: solved of {len(self.tasks)} (pass@3) {figures}")

    def _progress(self) -> dict[str, Any]:
        return {
            "programs": self.search.programs,
            "runs": self.search.runs,
            "seconds": self._seconds,
            "batches": dict(self._batches),
            "offset": self._offset,
            "counts": dict(self._counts),
            **self._asked,
        }

    def _note(self) -> str:
        rate = self.search.runs / max(self._seconds, 1e-9)
        solved = self.board.summary()[str(Method.PAPER)]["pass@3"]
        return f"{rate:,.0f} runs/s, {solved}/{len(self.tasks)} solved"
