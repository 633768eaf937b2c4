"""`codeit bench differential`: the machine beside arc-dsl's own functions, on random mutants of real programs.

A mutant has one to three changes, typed ones in one half and untyped ones in the other (`material.wild`). It runs on an
input of its task, one in ten on one of another task. Mutant k of a seed is the same in every run, so a long run can be
split by seeds and its counts added up. Where the reference returns a valid grid whatever the order of its sets, ours
should be the same; where it fails, ours should fail, or a documented rule (`interpreter.differences`) says why not.

`--out` gets a JSON object for each mutant on which the two differ, as it is found: program, input and both results.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bench.baselines.reference import Kind, Reference, Verdict
from bench.baselines.rules import rule_of
from bench.material.wild import mutant
from engine.errors import UsageError
from engine.progress import Display
from engine.seeds.seed import Seed, load_seeds
from engine.tasks import Task, training_tasks
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.language.type_check import is_well_typed
from interpreter.machine.machine import Machine
from interpreter.runtime.outcome import Outcome

BLOCK = 200  # mutants at a time
ELSEWHERE = 10  # one mutant in so many runs on an input of another task
DIFFERENCES = ("different", "reference_only", "ours_only")
RETRIES = 5  # of a run that seems slow: the fastest counts, since other processes get in the way


@dataclass(frozen=True)
class Case:
    """A mutant and its input."""

    task: str
    program: Program
    grid: Grid


@dataclass(frozen=True)
class Ours:
    """What the machine made of a case."""

    outcome: Outcome
    output: Grid | None
    milliseconds: float


def measure(
    arc_dsl: Path,
    programs: Path,
    mutants: int = 5000,
    seed: int = 0,
    out: Path | None = None,
    processes: int = 1,
) -> dict[str, Any]:
    """Compare on `mutants` mutants of the programs of a file. Raises `UsageError` for files that are not there."""
    tasks = training_tasks()
    real = load_seeds(programs, tasks)
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already: choose another --out")
    start, counts, worst = time.perf_counter(), Counter(), (0.0, "")
    machine = Machine()
    with (
        Reference(arc_dsl, processes) as reference,
        out.open("w", encoding="utf-8") if out else nullcontext() as file,
        Display() as display,
        display.phase("mutants", mutants) as update,
    ):
        for first in range(0, mutants, BLOCK):
            block = [_case(real, tasks, seed, k) for k in range(first, min(first + BLOCK, mutants))]
            verdicts = reference.judge([(_names(case.program), _tuples(case.grid)) for case in block])
            for case, verdict in zip(block, verdicts, strict=True):
                ours = _run(machine, case)
                worst = max(worst, (ours.milliseconds, case.program.text))
                counts.update(_count(case, verdict, ours, file))
            update(first + len(block), note=f"{_agreement(counts, 'all')} of the grids agree")
    return _result(counts, worst) | {"seconds": round(time.perf_counter() - start, 1)}


def _case(real: Sequence[Seed], tasks: dict[str, Task], seed: int, number: int) -> Case:
    """Case `number` of a seed: the same whatever ran before."""
    generator = np.random.default_rng([seed, number])
    source = real[int(generator.integers(len(real)))]
    at_home = generator.integers(ELSEWHERE) > 0
    task = tasks[source.task] if at_home else list(tasks.values())[int(generator.integers(len(tasks)))]
    inputs = (*task.inputs, *task.test_inputs)
    grid = inputs[int(generator.integers(len(inputs)))]
    return Case(task.id, mutant(source.program, generator), grid)


def _names(program: Program) -> tuple[tuple[str, ...], ...]:
    return tuple(line.names() for line in program.lines)


def _tuples(grid: Grid) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, grid.tolist()))


def _run(machine: Machine, case: Case) -> Ours:
    """Run a case by itself."""
    code, grids, jobs = Code.assemble([case.program]), GridTable.pack([case.grid]), np.zeros((1, 2), np.int32)
    seconds = np.inf
    for _ in range(RETRIES):
        start = time.perf_counter()
        runs = machine.run(code, grids, jobs)
        seconds = min(seconds, time.perf_counter() - start)
        if seconds < 0.01:
            break
    return Ours(Outcome(runs.outcomes[0]), runs.outputs[0], 1e3 * seconds)


# ----------------------------------------------------------------------------------------- comparing


def _count(case: Case, verdict: Verdict, ours: Ours, file: TextIO | None) -> Iterator[str]:
    """What a case counts as; writes it to `file` where the two differ."""
    category = _category(verdict, ours)
    yield category
    if verdict.kind is Kind.GRID:
        typed = is_well_typed(case.program)
        if typed:
            yield "typed"
            if category == "same":
                yield "typed same"
    rule = None
    if category in DIFFERENCES:
        rule = rule_of(verdict, ours.outcome)
        yield f"{category} rule {rule}" if rule else f"{category} unexplained"
        if file is not None:
            file.write(json.dumps(_record(case, verdict, ours, category, rule)) + "\n")
            file.flush()


def _category(verdict: Verdict, ours: Ours) -> str:
    if verdict.kind in (Kind.ORDER, Kind.TIMEOUT):
        return {Kind.ORDER: "order_dependent", Kind.TIMEOUT: "reference_timeouts"}[verdict.kind]
    if verdict.kind is Kind.GRID:
        if ours.output is None:
            return "reference_only"
        return "same" if _tuples(ours.output) == verdict.grid else "different"
    return "both_failed" if ours.output is None else "ours_only"


def _record(case: Case, verdict: Verdict, ours: Ours, category: str, rule: str | None) -> dict[str, Any]:
    return {
        "category": category,
        "rule": rule,
        "well_typed": is_well_typed(case.program),
        "task": case.task,
        "program": case.program.text,
        "input": case.grid.tolist(),
        "reference": asdict(verdict),
        "outcome": ours.outcome.label,
        "output": None if ours.output is None else ours.output.tolist(),
    }


def _agreement(counts: Counter[str], which: str) -> float | None:
    """The share of the reference's grids that ours gives too; None where there is none."""
    grids = counts["same"] + counts["different"] + counts["reference_only"]
    same, all_ = (counts["typed same"], counts["typed"]) if which == "typed" else (counts["same"], grids)
    return round(same / all_, 5) if all_ else None


def _result(counts: Counter[str], worst: tuple[float, str]) -> dict[str, Any]:
    grids = counts["same"] + counts["different"] + counts["reference_only"]
    failed = counts["both_failed"] + counts["ours_only"]
    return {
        "mutants": grids + failed + counts["order_dependent"] + counts["reference_timeouts"],
        "reference_grids": grids,
        "order_dependent": counts["order_dependent"],
        "reference_timeouts": counts["reference_timeouts"],
        "type_checked": counts["typed"],
        "type_checked_share": round(counts["typed"] / grids, 4) if grids else None,
        "agreement_type_checked": _agreement(counts, "typed"),
        "agreement_all": _agreement(counts, "all"),
        "type_checked_same": counts["typed same"],
        "same": counts["same"],
        "different": counts["different"],
        "reference_only": _explained(counts, "reference_only"),
        "reference_failed": failed,
        "both_failed": counts["both_failed"],
        "ours_only": _explained(counts, "ours_only"),
        "worst_ms": round(worst[0], 2),
        "worst_program": worst[1],
    }


def _explained(counts: Counter[str], category: str) -> dict[str, Any]:
    """How many cases a category has, by the rules that explain them."""
    prefix = f"{category} rule "
    return {
        "count": counts[category],
        "rules": {name.removeprefix(prefix): n for name, n in counts.most_common() if name.startswith(prefix)},
        "unexplained": counts[f"{category} unexplained"],
    }
