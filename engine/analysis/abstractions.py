"""Novel abstractions: sub-programs that recur in solutions, and that no seed has.

A sub-program is what a line computes, written out to the input and constants: `fill(I, ZERO, ofcolor(I, ONE))`. Of
programs that are right on all demonstrations, those of 2 to 8 calls count. {"solutions": programs, "seeds":
programs, "found": new sub-programs in more than one task, "subprograms": [{"expression", "calls", "programs",
"tasks": [id, ...]}, ...], those in most tasks first}.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from engine.analysis.subject import Subject
from interpreter.language.program import Program, is_variable, parse, variable_index

MIN_CALLS, MAX_CALLS = 2, 8
SHOWN = 100


def abstractions(subject: Subject, known: Iterable[str]) -> dict[str, Any]:
    """Of a run, a search or an evaluation; `known` are the seeds of one that keeps none, an evaluation."""
    solutions = ((one.task, one.program) for one in subject.programs() if one.is_fitting)
    return recurring(solutions, subject.seeds or known)


def recurring(solutions: Iterable[tuple[str, str]], seeds: Iterable[str]) -> dict[str, Any]:
    """The sub-programs of solutions (task, program) that more than one task has and no seed."""
    texts = set(seeds)
    known = {expression for seed in texts for expression, _ in subprograms(parse(seed))}
    calls: dict[str, int] = {}
    programs: defaultdict[str, int] = defaultdict(int)
    tasks: defaultdict[str, set[str]] = defaultdict(set)
    count = 0
    for task, program in solutions:
        count += 1
        for expression, size in set(subprograms(parse(program))):
            if expression not in known:
                calls[expression] = size
                programs[expression] += 1
                tasks[expression].add(task)
    found = [expression for expression in calls if len(tasks[expression]) > 1]
    found.sort(key=lambda expression: (-len(tasks[expression]), -calls[expression], expression))
    return {
        "solutions": count,
        "seeds": len(texts),
        "found": len(found),
        "subprograms": [
            {
                "expression": expression,
                "calls": calls[expression],
                "programs": programs[expression],
                "tasks": sorted(tasks[expression]),
            }
            for expression in found[:SHOWN]
        ],
    }


def subprograms(program: Program) -> Iterator[tuple[str, int]]:
    """What each line computes, written out, with its number of calls; what is too long is left out."""
    texts: list[str | None] = []
    sizes: list[int] = []
    for line in program.lines:
        parts = [_part(name, texts) for name in line.names()]
        size = 1 + sum(sizes[variable_index(name)] for name in line.names() if is_variable(name))
        is_whole = size <= MAX_CALLS and None not in parts
        texts.append(f"{parts[0]}({', '.join(map(str, parts[1:]))})" if is_whole else None)
        sizes.append(size)
        if is_whole and size >= MIN_CALLS:
            yield texts[-1], size


def _part(name: str, texts: list[str | None]) -> str | None:
    return texts[variable_index(name)] if is_variable(name) else name
