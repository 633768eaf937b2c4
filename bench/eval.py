"""`codeit bench eval`: a full evaluation of stored programs beside plain screening of the same programs.

    screening    the programs, as arrays in memory, on the first demonstration of each task: what `codeit search` does
                 with candidates, without a look at what matches
    evaluation   the same programs from a JSONL file: read, parsed, screened, what matches run on all inputs, ranked,
                 scored, and everything written that `codeit eval` writes

The programs are mutants of seeds for training tasks, and the tasks training tasks. Both ways take turns in each round,
with the same number of threads; medians.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.evaluation.batches import BATCH
from engine.evaluation.evaluator import Evaluator
from engine.evaluation.folder import EvaluationFolder
from engine.evaluation.results import write_results
from engine.evaluation.sources import PROGRAMS, Source
from engine.progress import Display
from engine.search.demonstrations import Demonstrations
from engine.search.workers import Worker, Workers
from engine.seeds.seed import load_seeds
from engine.tasks import Task, load_tasks, training_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import observed_kinds
from interpreter.machine.machine import DEFAULT_FUEL
from interpreter.machine.pool import default_workers
from interpreter.machine.screening import DEFAULT_FUEL as SCREEN_FUEL
from interpreter.mutation.mutator import Mutator

TASK_SET = "arc1-train"


def measure(solvers: Path | None, programs: int, tasks: int, workers: int | None, repeats: int) -> dict[str, Any]:
    """All figures, as one JSON object: of `programs` programs on `tasks` tasks, evenly spread."""
    chosen = load_tasks(TASK_SET)
    made = mutants(solvers, programs)
    some = chosen[:: max(len(chosen) // tasks, 1)][:tasks]
    threads = workers or default_workers()
    seconds: dict[str, list[float]] = {"screening": [], "evaluation": []}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "programs.jsonl"
        with file.open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps({"program": made.program(k).text}) + "\n" for k in range(len(made)))
        _screen(made.take(np.arange(min(100, len(made)))), some[:1], 1)  # loads compiled code
        for number in range(repeats):
            seconds["screening"].append(_screen(made, some, threads))
            took, summary = _evaluate(file, some, Path(name) / f"out-{number}", threads)
            seconds["evaluation"].append(took)
    runs = len(made) * len(some)
    ratios = [a / b for a, b in zip(seconds["screening"], seconds["evaluation"], strict=True)]
    return {
        "programs": len(made),
        "tasks": len(some),
        "threads": threads,
        "screening_s": round(median(seconds["screening"]), 2),
        "evaluation_s": round(median(seconds["evaluation"]), 2),
        "screened_per_s_screening": round(runs / median(seconds["screening"])),
        "screened_per_s_evaluation": round(runs / median(seconds["evaluation"])),
        "speed_share": round(median(ratios), 3),
        "ranked": summary["sources"][0]["ranked"],
        "solved": summary["solved"]["cumulative"]["distinct"]["pass@3"],
        "peak_rss_mib": round(_peak_kib() / 1024),
    }


def mutants(solvers: Path | None, count: int) -> Symbols:
    """Distinct mutants of the solvers in a file, or of the seeds."""
    training = training_tasks()
    seeds = load_seeds(solvers, training)
    programs = Symbols.pack([seed.program for seed in seeds])
    inputs = GridTable.pack([training[seed.task].inputs[0] for seed in seeds])
    mutator = Mutator(programs, observed_kinds(programs, inputs, np.arange(len(programs))))
    parts, had, seed = [], 0, 0
    while had < count:
        part = mutator.mutants(min(count - had, 200_000), seed).programs
        if not len(part):
            break
        parts.append(part)
        had, seed = had + len(part), seed + 1
    return Symbols.concatenate(parts).take(np.arange(min(count, had)))


def _screen(programs: Symbols, tasks: list[Task], threads: int) -> float:
    demonstrations = Demonstrations(tasks)
    start = time.perf_counter()
    with Workers(threads, SCREEN_FUEL, DEFAULT_FUEL) as workers:
        for low in range(0, len(programs), BATCH):
            code = programs.take(np.arange(low, min(low + BATCH, len(programs)))).code()
            order = order_by_lines(code)
            workers.map(partial(_matching, demonstrations, code, order), range(len(tasks)))
    return time.perf_counter() - start


def _matching(
    demonstrations: Demonstrations, code: Code, order: npt.NDArray[np.int64], worker: Worker, task: int
) -> int:
    """How many programs are right on the first demonstration of a task."""
    return len(demonstrations.matches(worker.screen, code, order, task, 0))


def _evaluate(file: Path, tasks: list[Task], out: Path, threads: int) -> tuple[float, dict[str, Any]]:
    start = time.perf_counter()
    sources = [Source(PROGRAMS, file)]
    folder = EvaluationFolder.create(out, {})
    with Display() as display:
        evaluator = Evaluator(tasks, sources, folder, display, threads)
        evaluator.run()
        summary = write_results(folder, TASK_SET, tasks, sources, evaluator, display)
    folder.close()
    return time.perf_counter() - start, summary


def _peak_kib() -> int:
    """The most memory that this process had."""
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
