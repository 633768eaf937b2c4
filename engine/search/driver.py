"""The loop of a search: propose, screen, score, commit, batch after batch."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.evaluation import summary_record
from engine.progress import Display
from engine.ranking import Method
from engine.search.folder import SearchFolder
from engine.search.scoring import Scorer
from engine.search.sources import METHODS, Settings, Source
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import order_by_lines
from interpreter.language.symbols import Symbols
from interpreter.machine.machine import Machine
from interpreter.machine.pool import default_workers
from interpreter.machine.screening import ScreenPool
from interpreter.mutation.mutator import Rates, Seen
from interpreter.runtime.digests import grid_digests

# Numbers of programs at which the curve has a point: the paper's, and some between.
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

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "task_ids": list(self.task_ids)}


class Search:
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
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.tasks = tasks
        self.display = display
        self._training_tasks, self._seeds = training_tasks, seeds
        self.scorer = Scorer(tasks, Machine(settings.fuel))
        self._memory = Seen(), Seen()
        self._counts: Counter[str] = Counter()  # of batches that are done
        self._begun: Counter[str] = Counter()  # of the one that is not
        self._batches: Counter[str] = Counter()
        self._offset = 0  # programs that have run of a batch of mutants that was begun
        self.programs = 0
        self._seconds = 0.0
        screened = [(number, *pair) for number, task in enumerate(tasks) for pair in self._screened(task)]
        numbers, inputs, outputs = zip(*screened, strict=True)
        self._owners = np.array(numbers)  # the task of each screened demonstration
        self._inputs, self._wanted = GridTable.pack(inputs), grid_digests(GridTable.pack(outputs))
        self._pool = ScreenPool(workers or default_workers(), settings.fuel)
        self._restore()

    def __enter__(self) -> Search:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.close()

    def run(self, method: str, programs: int | None, seconds: float | None) -> dict[str, Any]:
        """Search by one method until `programs` ran in all, or for `seconds`; the content of `summary.json`."""
        source = self._source(method)
        start, begun = time.perf_counter(), self._seconds
        while (programs is None or self.programs < programs) and (
            seconds is None or time.perf_counter() - start < seconds
        ):
            before = self.programs
            proposal = source.propose(self._batches[method])
            if proposal is None:
                self.display.say(f"{method}: nothing is left to try")
                break
            offset = self._offset if source.repeats else 0
            left = math.inf if programs is None else programs - before
            some = proposal.programs.take(np.arange(offset, min(len(proposal.programs), offset + left)))
            rows = self._batch(some, proposal.tasks, method)
            source.learn(rows)
            self._seconds = begun + time.perf_counter() - start
            self._begun = Counter(proposal.counts)
            self._points(rows, before, final=self.programs == programs)
            if source.repeats and offset + len(some) < len(proposal.programs):  # the rest of the batch is for later
                self._offset = offset + len(some)
                keys = proposal.keys[:0]
            else:
                self._offset = 0 if source.repeats else self._offset
                self._batches[method] += 1
                self._counts += self._begun
                self._begun.clear()
                keys = proposal.keys
            self.folder.append(rows, keys)
            self.folder.commit(self._progress(), self.summary())
            self.display.overall(method, self.programs, programs, self._note())
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json` for what was found so far."""
        record = summary_record(self.settings.tasks, None, self.scorer.board, len(self.tasks), self._seconds)
        return {**record, "programs": self.programs, "matching": self.scorer.board.programs}

    @property
    def counts(self) -> dict[str, int]:
        """What became of candidates: made, valid on their own task, and of these what does nothing new there.

        Of all batches that were begun, whole ones.
        """
        return dict(self._counts + self._begun)

    # ---------------------------------------------------------------------------------------- one batch

    def _batch(self, programs: Symbols, tasks: npt.NDArray[np.int64] | None, method: str) -> list[dict[str, Any]]:
        """Run programs on the tasks at the indices `tasks` (None: all); the rows of those that match."""
        demonstrations = np.arange(len(self._owners))
        if tasks is not None:
            demonstrations = demonstrations[np.isin(self._owners, tasks)]
        code = programs.code()
        order = order_by_lines(code)
        hits: set[tuple[int, int]] = set()
        with self.display.phase(f"{method}, batch {self._batches[method]}", len(demonstrations)) as update:
            results = self._pool.run(code, self._inputs, [(k, order) for k in demonstrations.tolist()])
            for done, (number, digests) in enumerate(results, 1):
                k = demonstrations[number]
                hits.update((program, int(self._owners[k])) for program in order[digests == self._wanted[k]].tolist())
                update(done)
        rows = self.scorer.score(programs, sorted(hits), self.programs, method)
        self.programs += len(programs)
        return rows

    def _points(self, rows: Sequence[Mapping[str, Any]], before: int, final: bool) -> None:
        """Enter rows into the scores, with a point of the curve wherever one is due."""
        due = [n for n in MILESTONES if before < n <= self.programs]
        if final and self.programs not in due:
            due.append(self.programs)
        waiting = iter(rows)
        row = next(waiting, None)
        for number in due:
            while row is not None and row["number"] < number:
                self.scorer.take(row)
                row = next(waiting, None)
            self._point(number)
        while row is not None:
            self.scorer.take(row)
            row = next(waiting, None)

    def _point(self, programs: int) -> None:
        solved = self.scorer.board.summary()
        point = {"programs": programs, "seconds": round(self._seconds, 1), "solved": solved, **self.counts}
        self.folder.append_point(point)
        figures = ", ".join(f"{method} {solved[method]['pass@3']}" for method in map(str, Method))
        self.display.say(f"{programs:,} programs: solved of {len(self.tasks)} (pass@3) {figures}")

    # ------------------------------------------------------------------------------------ going on later

    def _progress(self) -> dict[str, Any]:
        return {
            "programs": self.programs,
            "seconds": self._seconds,
            "batches": dict(self._batches),
            "offset": self._offset,
            "counts": dict(self._counts),
        }

    def _restore(self) -> None:
        progress = self.folder.progress()
        self.programs = progress.get("programs", 0)
        self._seconds = progress.get("seconds", 0.0)
        self._batches.update(progress.get("batches", {}))
        self._counts.update(progress.get("counts", {}))
        self._offset = progress.get("offset", 0)
        for row in self.folder.rows():
            self.scorer.take(row)
        for seen, keys in zip(self._memory, self.folder.keys().T, strict=True):
            seen.add(keys)

    def _source(self, method: str) -> Source:
        options = self.settings
        settings = Settings(self._pool, Rates(**options.rates), options.seed, options.keep_repeats, *self._memory)
        if method == "mutate":
            return METHODS[method](self._seeds, self._training_tasks, settings)
        source = METHODS[method](self.tasks, settings)
        source.learn(list(self.folder.rows()))
        return source

    def _screened(self, task: Task) -> list[tuple[Grid, Grid]]:
        """The demonstrations of which a program must match one to be run on the others."""
        return task.demonstrations if self.settings.exhaustive else task.demonstrations[:1]

    def _note(self) -> str:
        rate = self.programs * len(self.tasks) / max(self._seconds, 1e-9)
        solved = self.scorer.board.summary()[str(Method.PAPER)]["pass@3"]
        return f"{rate:,.0f} runs/s, {solved}/{len(self.tasks)} solved"
