"""Everything of one task as compact JSON: its grids, what the best attempts gave, what every line of them gave.

    {"train": [[input, output], ...], "test": [[input, output or null], ...],
     "results": [null or RESULT, one a source]}

RESULT:

    {"programs": [{"code": text, "performance": 0..1, "origin": text, "when": number or null,
                   "outputs": [GIVEN, one a demonstration], "predictions": [GIVEN, one a test input],
                   "traces": {input: [picture, ...]}}, ...],
     METHOD: [[index in programs, votes, right], ...], at most three, best first, for each METHOD
     "history": [[when, performance, text], ...], "solved": "0011" by the source's points, "policy": likewise}

Grids are digits, rows parted by "/"; GIVEN is one, or "!" and the outcome of a run that gave none (`no_grid` where that
is not known). What an evaluation wrote down of outputs is shown as it was scored. Inputs are counted through
demonstrations, then tests. What a picture is says `report.values`. Traces are what is large: they go in, most wanted
first, while the task's budget lasts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.ranking import Method
from interpreter.dropin.trace import Tracer
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program, ProgramError, parse
from interpreter.machine.machine import Machine
from interpreter.runtime.outcome import Outcome
from report.catalogue import Case
from report.model import Attempt, Limits, Puzzle, Result, Source
from report.values import grid_text, pictures

MAX_STEPS = 30  # of a history

Given = Grid | Outcome | None


class Runner:
    """Runs attempts on the inputs of their tasks, within the limits that they were found with."""

    def __init__(self, limits: Limits) -> None:
        self._machine = Machine(*limits)
        self._tracer = Tracer(*limits)

    def outputs(self, program: Program, inputs: Sequence[Grid]) -> list[Grid | Outcome]:
        """What a program gives on each input."""
        jobs = np.stack([np.zeros(len(inputs)), np.arange(len(inputs))], axis=1).astype(np.int32)
        runs = self._machine.run(Code.assemble([program]), GridTable.pack(inputs), jobs)
        outcomes = map(Outcome, runs.outcomes.tolist())
        return [outcome if grid is None else grid for grid, outcome in zip(runs.outputs, outcomes, strict=True)]

    def trace(self, program: Program, grid: Grid) -> list[dict[str, Any]]:
        """The picture of what each line gives."""
        return pictures(program, self._tracer.trace(program, grid))


RunnerOf = Callable[[Limits], Runner]
"""The runner of some limits: `Runner`, cached"""


def outputs_of(
    written: Sequence[Grid | None], program: Program | None, inputs: Sequence[Grid], runner: Runner
) -> list[Given]:
    """What a program gives on each input: as it was written down, or run now. None: no grid, for a reason not known.

    Empty where nothing was written down, and the program is none of this version's language.
    """
    if program is None:
        return list(written)
    given = runner.outputs(program, inputs)
    if not written:
        return given
    failed = [output if isinstance(output, Outcome) else None for output in given]
    return [why if grid is None else grid for grid, why in zip(written, failed, strict=True)]


def detail(case: Case, sources: Sequence[Source], runner: RunnerOf, budget: int) -> dict[str, Any]:
    """The JSON of a task, in about `budget` bytes."""
    puzzle = case.puzzle
    results = [
        None if result is None else _Shown(puzzle, result, source.limits, runner)
        for result, source in zip(case.results, sources, strict=True)
    ]
    record = {
        "train": [[grid_text(a), grid_text(b)] for a, b in zip(puzzle.inputs, puzzle.outputs, strict=True)],
        "test": [
            [grid_text(a), None if b is None else grid_text(b)]
            for a, b in zip(puzzle.test_inputs, puzzle.test_outputs, strict=True)
        ],
        "results": [None if shown is None else shown.record for shown in results],
    }
    left = budget - len(compact(record))
    for shown in filter(None, results):
        left = shown.add_traces(left)
    return record


def compact(record: Any) -> str:
    """JSON without spaces."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


class _Shown:
    """The attempts of one source at one task."""

    def __init__(self, puzzle: Puzzle, result: Result, limits: Limits, runner: RunnerOf) -> None:
        self._inputs = (*puzzle.inputs, *puzzle.test_inputs)
        self._demonstrations = len(puzzle.inputs)
        attempts = {attempt.program: attempt for rows in result.attempts.values() for attempt in rows}
        self._runners = {text: runner(attempt.limits or limits) for text, attempt in attempts.items()}
        self._programs = {text: _parsed(text) for text in attempts}
        order = {text: number for number, text in enumerate(attempts)}
        steps = result.history[-MAX_STEPS:]
        self.record = {
            "programs": [self._program(attempt) for attempt in attempts.values()],
            **{str(method): _ranks(result.attempts.get(method, ()), order) for method in Method},
            "history": [[step.when, round(step.performance, 4), step.program] for step in steps],
            "solved": "".join(str(int(solved)) for solved in result.solved),
            "policy": "".join(str(int(solved)) for solved in result.by_policy),
        }

    def _program(self, attempt: Attempt) -> dict[str, Any]:
        text = attempt.program
        given = outputs_of(attempt.given, self._programs[text], self._inputs, self._runners[text])
        return {
            "code": text,
            "performance": round(attempt.performance, 4),
            "origin": attempt.origin,
            "when": attempt.when,
            "outputs": [_given(one) for one in given[: self._demonstrations]],
            "predictions": [_given(one) for one in given[self._demonstrations :]],
            "traces": {},
        }

    def add_traces(self, budget: int) -> int:
        """Add traces while they fit; what is left of the budget."""
        for number, source in self._wanted():
            record = self.record["programs"][number]
            program = self._programs[record["code"]]
            if program is None:
                continue
            drawn = self._runners[record["code"]].trace(program, self._inputs[source])
            size = len(compact(drawn))
            if size <= budget:
                record["traces"][str(source)] = drawn
                budget -= size
        return budget

    def _wanted(self) -> Iterator[tuple[int, int]]:
        """(program, input), most wanted first: the best program on the first demonstration and test, and so on."""
        first, test = 0, self._demonstrations
        others = range(1, len(self._programs))
        yield 0, first
        yield 0, test
        yield from ((number, first) for number in others)
        yield from ((0, source) for source in range(len(self._inputs)) if source not in (first, test))
        yield from ((number, test) for number in others)


def _ranks(attempts: Sequence[Attempt], order: Mapping[str, int]) -> list[list[Any]]:
    right = {True: 1, False: 0, None: None}
    return [[order[attempt.program], attempt.votes, right[attempt.right]] for attempt in attempts]


def _parsed(text: str) -> Program | None:
    """A program, None where it is none of this version's language."""
    try:
        return parse(text)
    except ProgramError:
        return None


def _given(output: Given) -> str:
    if output is None:
        return "!no_grid"
    return f"!{output.label}" if isinstance(output, Outcome) else grid_text(output)
