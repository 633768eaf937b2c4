"""`codeit bench interpreter`: runs a second of the virtual machine, on real programs and their tasks.

A run is a program on one input: the input is loaded, the program executed, the output extracted; assembly is
measured apart. Every output is compared with the task's. Nothing is shared between programs or kept between runs.
The pool's figure includes sending the batch and collecting the results. Medians of `repeats`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.seeds import load_seeds
from engine.tasks import load_tasks
from interpreter.grids import Grid, GridTable
from interpreter.machine import Code, Machine, Runs
from interpreter.pool import Pool
from interpreter.program import parse

# A program is timed alone over this many runs on each of its inputs.
INNER = 50


def measure(seeds: str | None = None, repeats: int = 5) -> dict[str, Any]:
    """Time the embedded seeds, or the programs of a JSONL file with `task` and `program`."""
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    programs = load_seeds(seeds, tasks)
    code = Code.assemble([seed.program for seed in programs])
    inputs: list[Grid] = []
    targets: list[Grid] = []
    jobs: list[tuple[int, int]] = []
    for number, seed in enumerate(programs):
        task = tasks[seed.task]
        for given, wanted in zip((*task.inputs, *task.test_inputs), (*task.outputs, *task.test_outputs), strict=True):
            jobs.append((number, len(inputs)))
            inputs.append(given)
            targets.append(wanted)
    grids, pairs = GridTable.pack(inputs), np.array(jobs, np.int32)
    machine = Machine()
    correct = _correct(machine.run(code, grids, pairs), targets)
    batch = np.tile(pairs, (20, 1))
    one = _seconds(lambda: machine.run(code, grids, batch), repeats)
    with Pool(grids) as pool:
        workers = len(pool.process_ids)
        _seconds(lambda: pool.run(code, batch), 1)
        many = _seconds(lambda: pool.run(code, batch), repeats)
    each = [_microseconds(machine, code, grids, pairs[pairs[:, 0] == k]) for k in range(len(code))]
    texts = [seed.program.text for seed in programs]
    parsed = [seed.program for seed in programs]
    return {
        "programs": len(programs),
        "pairs": len(pairs),
        "correct_pairs": correct,
        "runs_per_s_core": round(len(batch) / one),
        "runs_per_s_pool": round(len(batch) / many),
        "pool_workers": workers,
        "pool_ratio": round(one / many, 2),
        "median_us": round(median(each), 2),
        "parse_us": round(1e6 * _seconds(lambda: [parse(text) for text in texts], repeats) / len(texts), 1),
        "assemble_us": round(1e6 * _seconds(lambda: Code.assemble(parsed), repeats) / len(texts), 1),
    }


def _correct(runs: Runs, targets: list[Grid]) -> int:
    return sum(
        output is not None and np.array_equal(output, target)
        for output, target in zip(runs.outputs, targets, strict=True)
    )


def _microseconds(machine: Machine, code: Code, grids: GridTable, jobs: npt.NDArray[np.int32]) -> float:
    """Time of one run of a program, in the mean over its inputs."""
    batch = np.tile(jobs, (INNER, 1))
    return 1e6 * _seconds(lambda: machine.run(code, grids, batch), 3) / len(batch)


def _seconds(work: Callable[[], object], repeats: int) -> float:
    """The median time of some work."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)
