"""The engine of all searches: a batch of a source runs on tasks, is judged, remembered and recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.search.acceptance import Acceptance, Finding
from engine.search.candidates import Candidates
from engine.search.demonstrations import Demonstrations
from engine.search.sources.source import Proposal, Source, State
from engine.search.workers import Clock, Portable, Worker


@dataclass(frozen=True)
class Batch:
    """How many programs of a batch ran, and whether these were all that were left of it."""

    programs: int
    is_whole: bool


class Journal(Protocol):
    """What is written to disk."""

    def record(self, proposal: Proposal, findings: list[Finding]) -> None:
        """Write what a proposal gave: findings in order of program, then task. `State` knows of it already."""


class Search:
    """Tasks and what is known of them, and where findings go.

    `programs` have run so far, in `runs` on a grid each; those in which sources try things count, too.
    """

    def __init__(self, state: State, journal: Journal, programs: int = 0, runs: int = 0) -> None:
        self.state = state
        self.programs = programs
        self.runs = runs
        self._journal = journal
        self._judges = state.demonstrations, state.acceptance

    def batch(
        self,
        source: Source,
        number: int,
        clock: Clock,
        skip: int = 0,
        most: float = math.inf,
        watch: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Batch | None:
        """Run a batch of a source; None where it proposes nothing.

        The first `skip` programs ran before, and at most `most` run now. Where the clock stops it, what is found is
        kept. `watch` hears how many tasks of a proposal are done.
        """
        ran, proposed, cut = 0, False, False
        for proposal in source.proposals(number, clock):
            proposed = True
            low = min(skip, len(proposal.programs))
            high = int(min(len(proposal.programs), low + most - ran))
            skip -= low
            cut |= high < len(proposal.programs)
            self._take(proposal.part(low, high), clock, watch)
            ran += high - low
            if cut:
                break
        return Batch(ran, not cut) if proposed else None

    def _take(self, proposal: Proposal, clock: Clock, watch: Callable[[int, int], None]) -> None:
        population = self.state.population
        findings = [
            finding for finding in self._run(proposal, clock, watch) if population.add(finding.task, finding.entry)
        ]
        for finding in findings:
            if finding.solves:
                population.solve(finding.task, finding.entry.program)
        for done in proposal.enumerated:
            population.calls[done.task] = done.calls
            if done.ended:
                population.ended.add(done.task)
        self.programs += len(proposal.programs)
        self.runs += proposal.runs
        self._journal.record(proposal, findings)

    def _run(self, proposal: Proposal, clock: Clock, watch: Callable[[int, int], None]) -> list[Finding]:
        """Run programs on the tasks that they are meant for, each task in one thread."""
        tasks = self._tasks(proposal)
        if not len(proposal.programs) or not tasks:
            return []
        asked = _Asked(
            Candidates.of(proposal.programs), proposal.owners, proposal.homes if self.state.without_own else None,
            {task: proposal.screened.get(task) or self.state.acceptance.screened(task) for task in tasks},
            self.programs,
        )  # fmt: skip
        findings = []
        work = Portable(_on_task, self._judges, asked)
        for done, (_, (found, runs)) in enumerate(self.state.workers.run(work, tasks), 1):
            findings += found
            self.runs += runs
            watch(done, len(tasks))
            if clock.is_over():
                break
        return sorted(findings, key=lambda finding: (finding.entry.found, finding.task))

    def _tasks(self, proposal: Proposal) -> list[int]:
        wanted = self.state.open_tasks() if self.state.acceptance.closes else range(len(self.state.tasks))
        if proposal.owners is None:
            return list(wanted)
        return sorted(set(wanted) & set(np.unique(proposal.owners).tolist()))


@dataclass(frozen=True)
class _Asked:
    """What is asked of the tasks of a proposal; the first of its programs has the number `first` in the search."""

    candidates: Candidates
    owners: npt.NDArray[np.int64] | None
    homes: npt.NDArray[np.int64] | None
    """the tasks that programs are kept from"""
    screened: Mapping[int, Sequence[int]]
    first: int


def _on_task(
    judges: tuple[Demonstrations, Acceptance], asked: _Asked, worker: Worker, task: int
) -> tuple[list[Finding], int]:
    """What the programs that are meant for a task, and match a demonstration, come to there; and how many ran."""
    demonstrations, acceptance = judges
    code, order = asked.candidates.code, asked.candidates.order
    if asked.owners is not None:
        order = order[asked.owners[order] == task]
    if asked.homes is not None:
        order = order[asked.homes[order] != task]
    screened = asked.screened[task]
    matches = [demonstrations.matches(worker.screen, code, order, task, k) for k in screened]
    hits = np.unique(np.concatenate(matches))
    found = acceptance.judge(worker, task, asked.candidates.programs, hits, asked.first) if len(hits) else []
    return found, len(order) * len(screened)
