"""`codeit bench search`: what makes program search fast, side by side on the same programs and tasks.

    mutation      typed, distinct candidates a second on one core
    screening     runs a second on one core of mutants on the first demonstrations of evaluation tasks: each program
                  alone, and screened, where equal lines and equal calls run once
    two threads   screening in two threads

All give the same grids, which is checked. Medians of several rounds; the ways take turns in each, so that what else
the machine does meets all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks, training_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import observed_kinds
from interpreter.machine.machine import Machine
from interpreter.machine.screening import Screen, ScreenPool
from interpreter.mutation.mutator import Mutator
from interpreter.runtime.digests import grid_digests

FUEL = 200_000
CANDIDATES, SCREENED = 200_000, 40_000
CHUNK = 2_000  # programs whose outputs are in memory at a time


def measure(solvers: Path | None, tasks: int, repeats: int) -> dict[str, Any]:
    """All figures, as one JSON object; `tasks` evaluation tasks, evenly spread."""
    training = training_tasks()
    seeds = load_seeds(solvers, training)
    programs = Symbols.pack([seed.program for seed in seeds])
    kinds = observed_kinds(
        programs, GridTable.pack([training[seed.task].inputs[0] for seed in seeds]), np.arange(len(programs))
    )
    chosen = load_tasks("arc1-eval")
    chosen = chosen[:: max(len(chosen) // tasks, 1)][:tasks]
    inputs = GridTable.pack([task.inputs[0] for task in chosen])
    seconds, made = _timed(lambda: Mutator(programs, kinds).mutants(CANDIDATES, 0), warm=True, repeats=repeats)
    code = made.programs.take(np.arange(min(SCREENED, len(made.programs)))).code()
    return {
        "candidates_per_s": round(len(made.programs) / seconds),
        "candidates": len(made.programs),
        "attempts": made.attempts,
        "programs": len(code),
        "tasks": len(chosen),
        **_screening(code, inputs, repeats),
    }


def _screening(code: Code, inputs: GridTable, repeats: int) -> dict[str, Any]:
    machine, screen, pool = Machine(FUEL), Screen(FUEL), ScreenPool(2, FUEL)
    order = order_by_lines(code)
    ways: dict[str, Callable[[], npt.NDArray[np.int64]]] = {
        "alone": lambda: _plain(machine, code, inputs, order),
        "equal_calls": lambda: np.stack([screen.run(code, inputs, k, order) for k in range(len(inputs))]),
        "two_threads": lambda: _in_order(pool.run(code, inputs, [(k, order) for k in range(len(inputs))])),
    }
    screen.run(code, inputs, 0, order)  # loads compiled code
    times: dict[str, list[float]] = {name: [] for name in ways}
    results = []
    for _ in range(repeats):
        for name, run in ways.items():
            seconds, found = _timed(run)
            times[name].append(seconds)
            results.append(found)
    pool.close()
    if any((found != results[0]).any() for found in results):
        raise RuntimeError("screening and running differ: a bug of the interpreter")
    runs = len(code) * len(inputs)
    saved = screen.saved
    ratios = {
        f"ratio_{name}": round(median(a / b for a, b in zip(times["alone"], times[name], strict=True)), 2)
        for name in ways
        if name != "alone"
    }
    return {
        "grids_share": round(float((results[0] != 0).mean()), 3),
        **{f"runs_per_s_{name}": round(runs / median(seconds)) for name, seconds in times.items()},
        **ratios,
        "lines_run_share": round(saved.run / saved.lines, 3),
        "lines_common_share": round(saved.common / saved.lines, 3),
        "lines_remembered_share": round(saved.remembered / saved.lines, 3),
    }


def _plain(machine: Machine, code: Code, inputs: GridTable, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The digests, by running programs for their outputs."""
    digests = np.zeros((len(inputs), len(code)), np.int64)
    for low in range(0, len(code), CHUNK):
        some = order[low : low + CHUNK]
        programs, grids = np.arange(len(some)), np.arange(len(inputs))
        jobs = np.stack([np.tile(programs, len(grids)), np.repeat(grids, len(some))], axis=1).astype(np.int32)
        runs = machine.run(code.take(some), inputs, jobs)
        digests[:, low : low + CHUNK] = grid_digests(runs.outputs).reshape(len(inputs), len(some))
    return digests


def _in_order(results: Iterable[tuple[int, npt.NDArray[np.int64]]]) -> npt.NDArray[np.int64]:
    return np.stack([digests for _, digests in sorted(results, key=lambda result: result[0])])


def _timed(run: Callable[[], Any], warm: bool = False, repeats: int = 1) -> tuple[float, Any]:
    """Median seconds, and the last result; with `warm` after a round that does not count."""
    if warm:
        run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return median(seconds), result
