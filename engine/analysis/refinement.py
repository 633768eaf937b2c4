"""Refinement: how programs that are right on all demonstrations of a task become shorter, and what programs use.

{"unit", "tasks": {id: [{"step", "characters", "lines", "program"}, ...]}, each shorter than the one before,
 "shortest": [{"step", "tasks": with such a program so far, "characters", "lines": of their shortest, in the mean,
               "share_of_first": characters of the shortest of those of the first, in the mean}, ...],
 "origins": {origin: {"programs", "characters", "lines": in the mean, "primitives": {name: share of its programs}}}}.

Of a run the origins are `policy`, `search` and `mutated` (seeds and mutants, on training tasks too); what the policy
and search both found is of the first. Of a search it is `search`, and in that of a run `policy`, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import mean
from typing import Any

from engine.analysis.subject import Subject
from engine.evaluation.sources import RUN
from engine.run_folder import open_replay
from interpreter.language.program import parse
from interpreter.primitives import PRIMITIVES
from replay.experience import Origin

POINTS = 100  # of `shortest`, at most


@dataclass(frozen=True)
class Found:
    """A program, when it was found, and whether it is right on all demonstrations of a search task."""

    task: str
    program: str
    step: int
    origin: str
    fits: bool


@dataclass
class Use:
    """What the programs of an origin are like."""

    programs: int = 0
    characters: int = 0
    lines: int = 0
    primitives: Counter[str] = field(default_factory=Counter)

    def add(self, program: str) -> None:
        self.programs += 1
        self.characters += len(program)
        self.lines += program.count("\n") + 1
        names = (name for line in parse(program).lines for name in line.names())
        self.primitives.update({name for name in names if name in PRIMITIVES})

    def as_json(self) -> dict[str, Any]:
        shares = {name: round(count / self.programs, 4) for name, count in self.primitives.most_common()}
        return {
            "programs": self.programs,
            "characters": round(self.characters / self.programs, 1),
            "lines": round(self.lines / self.programs, 2),
            "primitives": shares,
        }


def refinement(subject: Subject) -> dict[str, Any]:
    """Of a run, a search or an evaluation."""
    return refined(_of_run(subject) if subject.kind == RUN else _of_others(subject), subject.unit)


def refined(found: Iterable[Found], unit: str) -> dict[str, Any]:
    """The figures of programs in any order; of those of a step the first goes before."""
    shorter: dict[str, list[dict[str, Any]]] = {}
    uses: dict[str, Use] = {}
    fitting: list[Found] = []
    for one in found:
        uses.setdefault(one.origin, Use()).add(one.program)
        if one.fits:
            fitting.append(one)
    steps: dict[int, dict[str, Any]] = {}
    for one in sorted(fitting, key=attrgetter("step")):
        known = shorter.get(one.task, [])
        if not known or len(one.program) < known[-1]["characters"]:
            point = {
                "step": one.step,
                "characters": len(one.program),
                "lines": one.program.count("\n") + 1,
                "program": one.program,
            }
            shorter.setdefault(one.task, []).append(point)
            steps[one.step] = _shortest(one.step, shorter)
    return {
        "unit": unit,
        "tasks": shorter,
        "shortest": _thinned(list(steps.values())),
        "origins": {origin: use.as_json() for origin, use in uses.items()},
    }


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most `POINTS` of the points, the first and the last among them."""
    if len(points) <= POINTS:
        return points
    return [points[round(k * (len(points) - 1) / (POINTS - 1))] for k in range(POINTS)]


def _shortest(step: int, shorter: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "step": step,
        "tasks": len(shorter),
        "characters": round(mean(points[-1]["characters"] for points in shorter.values()), 1),
        "lines": round(mean(points[-1]["lines"] for points in shorter.values()), 2),
        "share_of_first": round(
            mean(points[-1]["characters"] / points[0]["characters"] for points in shorter.values()), 4
        ),
    }


def _of_run(subject: Subject) -> Iterator[Found]:
    with open_replay(subject.path) as store:
        for experience in store.in_order():
            step, origin = experience.discovered or (None, Origin.MUTATED)
            fits = step is not None and experience.priority == 1.0 and experience.task in subject.tasks
            number = experience.meta_iteration if step is None else step
            yield Found(experience.task, experience.program, number, str(origin), fits)


def _of_others(subject: Subject) -> Iterator[Found]:
    for one in subject.programs():
        yield Found(one.task, one.program, one.step, one.origin, one.is_fitting)
