"""What is known of tasks, whatever folder it was read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.ranking import Method
from engine.tasks import Task
from interpreter.grids import Grid
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS

ATTEMPTS = 3
PROFILE = "profile"  # the kind of source that has no tasks
HEADLINE = Method.PAPER  # what a history of solved tasks goes by, as `solved_cumulative` of a run does


@dataclass(frozen=True, eq=False)
class Puzzle:
    """A task as a report shows it; a test output that nobody has is None."""

    id: str
    inputs: tuple[Grid, ...]
    outputs: tuple[Grid, ...]
    test_inputs: tuple[Grid, ...]
    test_outputs: tuple[Grid | None, ...]
    concept: str | None = None

    @classmethod
    def of(cls, task: Task) -> Puzzle:
        concept = getattr(task, "concept", None)
        return cls(task.id, task.inputs, task.outputs, task.test_inputs, task.test_outputs, concept)

    @property
    def is_scored(self) -> bool:
        """Whether all test outputs are known."""
        return all(output is not None for output in self.test_outputs)

    def is_like(self, other: Puzzle) -> bool:
        """Whether another task of the same id is the same, whatever is known of its tests."""
        mine, others = ((*one.inputs, *one.outputs, *one.test_inputs) for one in (self, other))
        return len(mine) == len(others) and all(map(np.array_equal, mine, others))


class Limits(NamedTuple):
    """What a run of a program may use."""

    fuel: int = DEFAULT_FUEL
    words: int = DEFAULT_WORDS


@dataclass(frozen=True)
class Attempt:
    """One of the first attempts at a task; `right` is None where that is not known, as `when` and `origin` may be."""

    program: str
    performance: float
    votes: int
    right: bool | None
    origin: str = ""
    when: int | None = None
    given: Sequence[Grid | None] = ()
    """what was written down of its outputs, of demonstrations and then tests; empty where nothing was"""
    limits: Limits | None = None
    """what its program ran with, where that is not what all of its source did"""


@dataclass(frozen=True)
class Step:
    """A program that became a task's best, and when, by the clock of its source."""

    when: int
    program: str
    performance: float


@dataclass(frozen=True)
class Result:
    """What a source found for a task. `solved` says it for each of the source's points, by `HEADLINE` at pass@3."""

    programs: int
    attempts: Mapping[Method, Sequence[Attempt]]
    history: Sequence[Step] = ()
    solved: Sequence[bool] = ()
    by_policy: Sequence[bool] = ()
    """of a run: whether the samples of each meta-iteration alone solve it, likewise"""
    is_found: bool = False
    """whether a right program was found at all, however it ranks"""

    def needed(self, method: Method) -> int:
        """The number of attempts until the first right one; 0 where the first ones are wrong."""
        return next((k for k, attempt in enumerate(self.attempts.get(method, ()), 1) if attempt.right), 0)

    @property
    def best(self) -> Attempt | None:
        """The first attempt by the headline's ranking."""
        return next(iter(self.attempts.get(HEADLINE, ())), None)

    @property
    def is_lost(self) -> bool:
        """Whether it was solved once and is not any more."""
        return any(self.solved) and not self.solved[-1]

    @property
    def is_forgotten(self) -> bool:
        """Whether the policy's samples solved it once, and the last ones do not."""
        return any(self.by_policy) and not self.by_policy[-1]


@dataclass(frozen=True)
class Source:
    """One folder that a report shows. `points` are the moments of its history by its `clock`, what they count."""

    name: str
    path: Path
    kind: str
    task_set: str
    puzzles: Sequence[Puzzle]
    results: Mapping[str, Result]
    summary: Mapping[str, Any]
    clock: str = ""
    points: Sequence[int] = ()
    metrics: Sequence[Mapping[str, Any]] = ()
    curve: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    """what a reader must know, such as that it goes on"""
    facts: Mapping[str, str] = field(default_factory=dict)
    """commit, machine, time, and the like"""
    limits: Limits = field(default_factory=Limits)
    """what its programs ran with"""
    analyses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """what `codeit analyse` wrote of it, by name"""
    profile: Mapping[str, Any] = field(default_factory=dict)
    """of a profile: `profile.json`"""
    generalization: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """by lines of a program: how many are right on all demonstrations, and of these on the tests"""

    @property
    def scored(self) -> int:
        """How many of its tasks can be scored: what shares of solved ones are of."""
        return sum(puzzle.is_scored for puzzle in self.puzzles)
