"""`codeit seeds discover`: programs for training tasks by search alone, from an empty list.

Tasks are enumerated in rounds: each goes over all unsolved tasks with ten times the calls of the one before. Then each
unsolved task is composed for, with the macros of what solves others. After each come rounds of mutants, until they find
nothing more: of what solves a task, for all that are not solved yet, and of the near misses of each unsolved task, for
that task alone. What a round finds are parents in the next.

A program counts when it is right on all demonstrations and, looked at only then, on the tests. What the enumeration of
a task gives within a number of calls, what is composed for it from what solves others, and what a round of mutants
gives, is the same everywhere; how far a budget goes depends on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.kept_tasks import hash_of
from engine.progress import Display
from engine.ranking import Entry
from engine.search import effort
from engine.search.acceptance import Finding, Solving
from engine.search.demonstrations import Demonstrations
from engine.search.journal import Found, Journal
from engine.search.population import Population
from engine.search.search import Search
from engine.search.sources.composition import Compose
from engine.search.sources.enumeration import Enumerate
from engine.search.sources.mutation import Spread
from engine.search.sources.recombination import Recombine
from engine.search.sources.source import Proposal, State
from engine.search.workers import Clock, Workers
from engine.tasks import Task
from interpreter.compilation import warm_up
from interpreter.language.program import parse
from interpreter.machine.screening import DEFAULT_FUEL

BUILDING_SHARE = 0.85  # of the budget is for enumeration and composition, with mutants; after it are mutants alone
PATIENCE = 3  # rounds of mutants without a program, after which something else goes on
LAST_PATIENCE = 30  # the same where nothing follows


def discover(
    source: str,
    tasks: Sequence[Task],
    out: Path,
    seed: int,
    minutes: float,
    workers: int,
    resume: bool,
    **chosen: Any,
) -> int:
    """Search for programs of `tasks`, which are of the set `source`, for `minutes`; how many tasks are solved.

    `chosen` are the options that chose them from it, by name: to go on asks for the same.

    Raises `UsageError` for files that cannot be written or resumed, because they are of other tasks, say.
    """
    header = {"tasks": source, "seed": seed, **chosen, "tasks_hash": hash_of(tasks, scored=True)}
    warm_up()
    start = time.monotonic()
    with (
        Journal(out, header, resume) as journal,
        Display() as display,
        Workers(workers, DEFAULT_FUEL) as threads,
    ):
        search = SeedSearch(tasks, journal, seed, threads, display)
        search.run(
            Clock(start + 60 * minutes * BUILDING_SHARE, threads.stopped),
            Clock(start + 60 * minutes, threads.stopped),
        )
        return search.solved


def _state(tasks: Sequence[Task], seed: int, workers: Workers) -> State:
    demonstrations = Demonstrations(tasks)
    acceptance, population = Solving(tasks, demonstrations), Population(effort.SEEDS.kept)
    return State(tasks, demonstrations, acceptance, workers, effort.SEEDS, seed, population)


class SeedSearch:
    """A search for seeds, from wherever its journal says it is."""

    def __init__(self, tasks: Sequence[Task], journal: Journal, seed: int, workers: Workers, display: Display) -> None:
        self.state = _state(tasks, seed, workers)
        self.rounds, self.composed = journal.found.rounds, journal.found.composed
        self._search = Search(self.state, self)
        self._journal, self._display = journal, display
        self._enumerate, self._mutants = Enumerate(self.state), (Spread(self.state), Recombine(self.state))
        self._compose = Compose(self.state, (), {})
        self._bar = "", 0, 0  # what is shown of the round: its name, how much of it is done, and how much there is
        self._restore(journal.found)

    @property
    def solved(self) -> int:
        """How many of the tasks are solved."""
        return len(self.state.population.solved)

    def run(self, building: Clock, end: Clock) -> None:
        """Enumerate, compose and mutate by turns until `building` is over, then mutate until `end`."""
        for number, calls in enumerate(self.state.effort.calls):
            if self.enumerate(number, f"{calls:,} calls a task", building):
                self.mutate(building, PATIENCE)
            if self.compose(number, building):
                self.mutate(building, PATIENCE)
        self.mutate(end, LAST_PATIENCE)

    def enumerate(self, number: int, what: str, clock: Clock) -> bool:
        """A round of enumeration; whether there was anything to do, and time for it."""
        start = time.monotonic()
        self._bar = what, 0, len(self.state.open_tasks())
        if self._search.batch(self._enumerate, number, clock) is None:
            return False
        self._say(f"enumeration, {what}", start)
        return True

    def compose(self, level: int, clock: Clock) -> bool:
        """Compose for all unsolved tasks, going on where it was stopped; whether there was anything to do.

        What has begun is judged even if the time is over by then: composing is the long part of it.
        """
        start, first = time.monotonic(), self.composed
        turns, stopped = self._compose.turns, Clock(stopped=self.state.workers.stopped)
        while self.composed < turns * (level + 1) and not clock.is_over():
            self._bar = f"composition {level + 1}", self.composed - turns * level, turns
            if self._search.batch(self._compose, self.composed, stopped) is None:
                break
            self._journal.composed(self.composed)
            self.composed += 1
        if self.composed > first:
            self._say(f"composition {level + 1}", start)
        return self.composed > first

    def mutate(self, clock: Clock, patience: int) -> None:
        """Rounds of mutants, until `patience` of them in a row solve no task."""
        start, first = time.monotonic(), self.rounds
        idle = 0
        while idle < patience and not clock.is_over():
            before = self.solved
            self._bar = f"mutants, round {self.rounds}", idle, patience
            if not self.round(clock):
                break
            idle = idle + 1 if self.solved == before else 0
        if self.rounds > first:
            self._say(f"mutants, {self.rounds - first} rounds", start)

    def round(self, clock: Clock) -> int:
        """One round of mutants; how many ran, 0 where there were none or the time ran out."""
        batches = [self._search.batch(source, self.rounds, clock) for source in self._mutants]
        ran = sum(batch.programs for batch in batches if batch is not None)
        if clock.is_over() or ran == 0:
            return 0
        self._journal.mutated(self.rounds)
        self.rounds += 1
        return ran

    def record(self, proposal: Proposal, findings: list[Finding]) -> None:
        """Write the programs that solve a task, and how far enumerations went."""
        tasks, population = self.state.tasks, self.state.population
        for finding in findings:
            if finding.solves:
                self._journal.solved(tasks[finding.task].id, parse(finding.entry.program))
        for done in proposal.enumerated:
            if done.task not in population.solved:
                demonstrations = len(tasks[done.task].inputs)
                near = [
                    (parse(entry.program), round(entry.performance * demonstrations))
                    for entry in population.near_misses(done.task)
                ]
                self._journal.searched(tasks[done.task].id, done.calls, done.stage, near)
            self._bar = self._bar[0], self._bar[1] + 1, self._bar[2]
        self._display.overall(*self._bar, f"{self.solved} of {len(tasks)} tasks solved")

    def _restore(self, found: Found) -> None:
        population = self.state.population
        for number, task in enumerate(self.state.tasks):
            if task.id in found.programs:
                population.solve(number, found.programs[task.id].text)
            population.calls[number] = found.calls.get(task.id, 0)
            if task.id in found.ended:
                population.ended.add(number)
            for place, (program, right) in enumerate(found.near.get(task.id, [])):
                population.add(number, Entry(program.text, right / len(task.inputs), b"", place))

    def _say(self, what: str, start: float) -> None:
        minutes = (time.monotonic() - start) / 60
        self._display.say(f"{what}: {self.solved} of {len(self.state.tasks)} tasks solved, {minutes:.1f} min")
