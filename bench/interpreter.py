"""`codeit bench interpreter`: the virtual machine on real programs and their tasks, beside arc-dsl and CodeIt.

A run is a program on one input: the input is loaded, the program executed, the output extracted. Every output is
compared with the task's. Nothing is shared between programs or kept between runs. All sides run the same programs on
the same inputs in one process, in turns, pair by pair; a ratio is theirs over ours of the same pair.

The machine's own time of a pair is taken over a batch of that one pair. Python's side gets its grids as the tuples
that it works on, ready made; programs are compiled before the clock starts. Assembly is measured apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.baselines.arc_dsl import python_functions
from bench.baselines.codeit_harness import harness
from engine.seeds.seed import load_seeds
from engine.tasks import training_tasks
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Line, Program, parse
from interpreter.machine.machine import Machine, Runs
from interpreter.machine.pool import Pool

BATCH = 50_000  # runs of a throughput measurement, about
INNER = 200  # runs of one pair, in a batch of their own
SLOWEST = 5  # pairs of arc-dsl that the mean leaves out
TRIVIAL = Program((Line("hmirror", ("I",)),))
TRIVIAL_RUNS = 10_000


@dataclass(frozen=True)
class Work:
    """Programs and their tasks' pairs, the tests included: `jobs` int32 of (pairs, 2), program and input."""

    programs: list[Program]
    code: Code
    inputs: list[Grid]
    targets: list[Grid]
    jobs: npt.NDArray[np.int32]


def measure(
    solvers: str | None = None, arc_dsl: Path | None = None, codeit: Path | None = None, repeats: int = 5
) -> dict[str, Any]:
    """Time the embedded seeds, or the programs of a file with `task` and `program`; medians of `repeats`."""
    work = _load(solvers)
    machine, grids = Machine(), GridTable.pack(work.inputs)
    correct = _correct(machine.run(work.code, grids, work.jobs), work.targets)
    result = {
        "programs": len(work.programs),
        "pairs": len(work.jobs),
        "correct_pairs": int(correct.sum()),
        **_throughput(machine, work, grids, repeats),
        **_pairs(machine, work, grids, correct, arc_dsl, codeit, repeats),
        "trivial_us": round(_trivial(machine, repeats), 3),
        **_assembly(work.programs, repeats),
    }
    return result | _start_up()


def _load(file: str | None) -> Work:
    tasks = training_tasks()
    seeds = load_seeds(file, tasks)
    inputs: list[Grid] = []
    targets: list[Grid] = []
    jobs: list[tuple[int, int]] = []
    for number, seed in enumerate(seeds):
        task = tasks[seed.task]
        for given, wanted in zip((*task.inputs, *task.test_inputs), (*task.outputs, *task.test_outputs), strict=True):
            jobs.append((number, len(inputs)))
            inputs.append(given)
            targets.append(wanted)
    programs = [seed.program for seed in seeds]
    return Work(programs, Code.assemble(programs), inputs, targets, np.array(jobs, np.int32))


def _correct(runs: Runs, targets: Sequence[Grid]) -> npt.NDArray[np.bool_]:
    return np.array([o is not None and np.array_equal(o, t) for o, t in zip(runs.outputs, targets, strict=True)])


def _throughput(machine: Machine, work: Work, grids: GridTable, repeats: int) -> dict[str, Any]:
    """Runs a second of all pairs on one core, in this process, and on two, in a pool, in turns."""
    batch = np.tile(work.jobs, (max(1, BATCH // len(work.jobs)), 1))
    seconds: list[tuple[float, float]] = []
    with Pool(grids, workers=2) as pool:
        pool.run(work.code, batch)
        for _ in range(repeats):
            one = _seconds(lambda: machine.run(work.code, grids, batch))
            seconds.append((one, _seconds(lambda: pool.run(work.code, batch))))
    return {
        "runs_per_s_core": round(len(batch) / median(one for one, _ in seconds)),
        "runs_per_s_two": round(len(batch) / median(two for _, two in seconds)),
        "ratio_two": round(median(one / two for one, two in seconds), 2),
    }


def _pairs(
    machine: Machine,
    work: Work,
    grids: GridTable,
    correct: npt.NDArray[np.bool_],
    arc_dsl: Path | None,
    codeit: Path | None,
    repeats: int,
) -> dict[str, Any]:
    """The time of each pair on each side; a side is compared on the pairs that it and the machine get right."""
    functions = python_functions(arc_dsl, work.programs) if arc_dsl else None
    official = harness(codeit) if codeit else None
    texts = [program.text for program in work.programs]
    times = np.full((3, len(work.jobs)), np.nan)  # ours, arc-dsl's, CodeIt's, in seconds
    for k, (program, number) in enumerate(work.jobs):
        batch = np.tile(work.jobs[k : k + 1], (INNER, 1))
        given, target = _tuples(work.inputs[number]), _tuples(work.targets[number])
        times[0, k] = _median_seconds(lambda: machine.run(work.code, grids, batch), repeats) / INNER  # noqa: B023
        if functions and correct[k] and functions[program](given) == target:
            times[1, k] = _median_seconds(lambda: functions[program](given), repeats)  # noqa: B023
        if official and correct[k] and official(texts[program], given) == target:
            times[2, k] = _median_seconds(lambda: official(texts[program], given), repeats)  # noqa: B023
    return _ratios(times)


def _ratios(times: npt.NDArray[np.float64]) -> dict[str, Any]:
    ours, reference, official = times
    result: dict[str, Any] = {"median_us": round(1e6 * median(ours), 2)}
    both = ~np.isnan(reference)
    if both.any():
        rest = np.argsort(reference[both])[:-SLOWEST]
        result |= {
            "pairs_arc_dsl": int(both.sum()),
            "ratio_arc_dsl_median": round(median(reference[both] / ours[both]), 1),
            "ratio_arc_dsl_mean": round(mean(reference[both][rest]) / mean(ours[both][rest]), 1) if len(rest) else None,
        }
    both = ~np.isnan(official)
    if both.any():
        result |= {
            "pairs_codeit": int(both.sum()),
            "ratio_codeit_median": round(median(official[both] / ours[both]), 1),
        }
    return result


def _trivial(machine: Machine, repeats: int) -> float:
    """Microseconds of a run of `O = hmirror(I)` on a 10x10 grid, in a large batch."""
    code, grids = Code.assemble([TRIVIAL]), GridTable.pack([np.arange(100, dtype=np.int8).reshape(10, 10) % 10])
    jobs = np.zeros((TRIVIAL_RUNS, 2), np.int32)
    return 1e6 * _median_seconds(lambda: machine.run(code, grids, jobs), repeats) / TRIVIAL_RUNS


def _assembly(programs: list[Program], repeats: int) -> dict[str, float]:
    """Microseconds a program, in the mean: text to program, and program to bytecode."""
    texts = [program.text for program in programs]
    parsing = _median_seconds(lambda: [parse(text) for text in texts], 5 * repeats)
    assembly = _median_seconds(lambda: Code.assemble(programs), 5 * repeats)
    return {
        "parse_us": round(1e6 * parsing / len(texts), 1),
        "assemble_us": round(1e6 * assembly / len(texts), 2),
    }


def _start_up() -> dict[str, float]:
    """Processor seconds of a cold compilation, and seconds to load what is compiled, each in a process of its own."""
    code = (
        "import json, time; start = time.perf_counter(); from interpreter.machine.machine import warm_up; warm_up()\n"
        "print(json.dumps([time.process_time(), time.perf_counter() - start]))"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CODEIT_CACHE": folder, "PYTHONPATH": os.pathsep.join(sys.path)}
        cold, warm = (
            json.loads(subprocess.run([sys.executable, "-c", code], env=environment, stdout=-1, check=True).stdout)
            for _ in range(2)
        )
    return {"cold_compile_cpu_s": round(cold[0], 1), "load_s": round(warm[1], 2)}


def _tuples(grid: Grid) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in grid.tolist())


def _median_seconds(work: Callable[[], object], repeats: int) -> float:
    return median(_seconds(work) for _ in range(repeats))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
