"""Failures: what is not solved, by the length of the known solver and the kinds of primitives that it uses.

{"tasks": scored, "solved", "known": with a solver among `solvers`, "by_lines": [{"from", "to", "tasks", "solved"},
...], by the lines of the shortest solver, "by_kind": {kind: {"tasks", "solved"}}, by the parts of the language that
it uses (a task counts for each), "unsolved": {REASON: [id, ...]}}. REASON says how far it came: `no program`, `no
demonstration` right, `some demonstrations`, `all demonstrations` and wrong tests. Solved is within three attempts
of the distinct ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.analysis.length import LINES
from engine.analysis.subject import Judged, Subject
from engine.evaluation.scoreboard import ATTEMPTS
from engine.ranking import Entry, Leaders, Method, rank
from interpreter.language.program import Program
from interpreter.primitives import PRIMITIVES

REASONS = ("no program", "no demonstration", "some demonstrations", "all demonstrations")


def failures(subject: Subject, solvers: Mapping[str, Sequence[Program]]) -> dict[str, Any]:
    """Of a run, a search or an evaluation; `solvers` are known programs by task."""
    return failed([id_ for id_, task in subject.tasks.items() if task.is_scored], subject.programs(), solvers)


def failed(
    tasks: Sequence[str], programs: Iterable[Judged], solvers: Mapping[str, Sequence[Program]]
) -> dict[str, Any]:
    """The figures of tasks, given what was found for them."""
    most = max(ATTEMPTS)
    leaders: defaultdict[str, Leaders] = defaultdict(lambda: Leaders(most))
    right: dict[str, bytes] = {}
    best: dict[str, float] = {}
    for one in programs:
        leaders[one.task].add(Entry(one.program, one.performance, one.prediction, one.found))
        best[one.task] = max(best.get(one.task, 0.0), one.performance)
        if one.right:
            right[one.task] = one.prediction
    solved = {
        task
        for task, prediction in right.items()
        if any(each.entry.prediction == prediction for each in rank(leaders[task].entries(), Method.DISTINCT)[:most])
    }
    known = {task: min(solvers[task], key=lambda program: len(program.lines)) for task in tasks if task in solvers}
    unsolved: dict[str, list[str]] = {reason: [] for reason in REASONS}
    for task in tasks:
        if task not in solved:
            unsolved[_reason(best.get(task))].append(task)
    return {
        "tasks": len(tasks),
        "solved": len(solved & set(tasks)),
        "known": len(known),
        "by_lines": _by_lines(known, solved),
        "by_kind": _by_kind(known, solved),
        "unsolved": unsolved,
    }


def _reason(best: float | None) -> str:
    if best is None:
        return REASONS[0]
    return REASONS[1] if best == 0 else REASONS[2] if best < 1 else REASONS[3]


def _by_lines(known: Mapping[str, Program], solved: set[str]) -> list[dict[str, Any]]:
    bins = []
    for start, after in zip(LINES, [*LINES[1:], None], strict=True):
        some = [
            task
            for task, program in known.items()
            if start <= len(program.lines) and (after is None or len(program.lines) < after)
        ]
        if some:
            to = None if after is None else after - 1
            bins.append({"from": start, "to": to, "tasks": len(some), "solved": len(solved & set(some))})
    return bins


def _by_kind(known: Mapping[str, Program], solved: set[str]) -> dict[str, Any]:
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for task, program in known.items():
        for line in program.lines:
            for name in line.names():
                if name in PRIMITIVES:
                    kinds[PRIMITIVES[name].source.__module__.rsplit(".", 1)[-1]].add(task)
    return {kind: {"tasks": len(some), "solved": len(solved & some)} for kind, some in sorted(kinds.items())}
