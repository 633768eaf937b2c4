"""An evaluation: programs of its sources run on its tasks, in batches, into its folder, from wherever that is.

Memory does not grow with the number of programs: what is to be ranked goes to disk, and is ranked task by task at the
end (`ranked`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.errors import UsageError
from engine.evaluation.batches import BATCH, NO_PROGRAM, Batch, batches
from engine.evaluation.folder import EvaluationFolder, Row
from engine.evaluation.runs import Finding, Questions
from engine.evaluation.sources import PROGRAMS, Source
from engine.progress import Display
from engine.search.workers import OpenWorkers, Workers
from engine.tasks import Task
from interpreter.machine import screening
from interpreter.machine.machine import DEFAULT_FUEL

SAID = 60  # seconds between lines of progress


@dataclass
class Tally:
    """What became of the programs of a source."""

    programs: int = 0
    ranked: int = 0
    runs: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    """what is wrong with the first that is no program"""

    def add(self, batch: Batch, ranked: int, runs: int) -> None:
        self.programs += batch.read
        self.ranked += ranked
        self.runs += runs
        self.left_out = dict(Counter(self.left_out) + batch.left_out)
        self.problem = self.problem or batch.problem


class NothingToEvaluate(UsageError):
    """No source has a program for the tasks."""


class Evaluator:
    """Runs everything that is not run yet."""

    def __init__(
        self,
        tasks: Sequence[Task],
        sources: Sequence[Source],
        folder: EvaluationFolder,
        display: Display,
        workers: int,
        fuel: int | None = None,
        exhaustive: bool = False,
        open_workers: OpenWorkers = Workers,
    ) -> None:
        """`fuel` is that of all sources; None: what each says, or the machine's."""
        self._questions = Questions(tasks, exhaustive)
        self._sources, self._folder, self._display = sources, folder, display
        self._workers, self._fuel, self._open_workers = workers, fuel, open_workers
        progress = folder.progress()
        self.seconds: float = progress.get("seconds", 0.0)
        self.tallies = [Tally(**tally) for tally in progress.get("tallies", [{} for _ in sources])]
        self._found: int = progress.get("found", 0)
        self._states = [source.state() for source in sources]
        before = progress.get("states", self._states)
        for source, state, old in zip(sources, self._states, before, strict=True):
            if state != old:
                raise UsageError(f"{source.path} has changed since the evaluation began: start again in another --out")
        self._total = sum(state.get("programs", 0) for state in self._states)
        self._start, self._begun, self._said = time.perf_counter(), self.seconds, time.perf_counter()

    def fuel(self, source: int) -> int:
        """What a run of a program of a source may use."""
        return self._fuel or self._sources[source].fuel or DEFAULT_FUEL

    def run(self) -> None:
        """Run what is left of all sources. Raises `NothingToEvaluate` where files of programs have none."""
        for number, source in enumerate(self._sources):
            self._run(number, source)
        if all(source.kind == PROGRAMS for source in self._sources) and not any(
            tally.programs - sum(tally.left_out.values()) for tally in self.tallies
        ):
            problem = next((tally.problem for tally in self.tallies if tally.problem), None)
            reasons = Counter[str]()
            for tally in self.tallies:
                reasons.update(tally.left_out)
            counted = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items()) or "the sources are empty"
            raise NothingToEvaluate(f"nothing to evaluate: {counted}{f' (the first: {problem})' if problem else ''}")

    def _run(self, number: int, source: Source) -> None:
        tally, fuel = self.tallies[number], self.fuel(number)
        some = batches(source.programs(tally.programs), self._questions.numbers, BATCH)
        with self._open_workers(self._workers, min(fuel, screening.DEFAULT_FUEL), fuel) as workers:
            for batch in some:
                with self._display.phase(f"{source.path.name}, {tally.programs:,} programs done") as watch:
                    findings, runs = self._questions.run(batch, workers, watch)
                tally.add(batch, len(findings), runs)
                rows = [self._row(number, batch, finding) for finding in findings]
                self._found += len(batch.programs)
                self.seconds = self._begun + time.perf_counter() - self._start
                self._folder.commit(rows, self._progress())
                self._say()
        if tally.left_out.get(NO_PROGRAM):
            self._display.say(f"{source.path}: {tally.left_out[NO_PROGRAM]:,} left out; the first: {tally.problem}")

    def _row(self, source: int, batch: Batch, finding: Finding) -> Row:
        k = finding.program
        return Row(
            self._found + k, self._questions.tasks[finding.task].id, batch.programs.program(k).text,
            finding.performance, finding.prediction, source, batch.origins[k], batch.meta_iterations[k],
        )  # fmt: skip

    def _progress(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "found": self._found,
            "tallies": [asdict(tally) for tally in self.tallies],
            "states": self._states,
        }

    def _say(self) -> None:
        """The bar, and now and then a line where there is none."""
        done = sum(tally.programs for tally in self.tallies)
        total = max(self._total, done)
        rate = f"{sum(tally.runs for tally in self.tallies) / max(self.seconds, 1e-9):,.0f} runs/s"
        self._display.overall("programs", done, total, rate)
        if time.perf_counter() - self._said >= SAID and done < total:
            self._said = time.perf_counter()
            left = (total - done) * self.seconds / done / 60
            self._display.say(f"{done:,} of {total:,} programs, {rate}, {left:.0f} min left")
