"""The folder of a run, see `engine.run_folder`: read as it stands, while the run goes on or after it.

What policy and search found for each task is in the replay store, with the meta-iteration that it was found in; only
predictions are made again, on the test inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import Config
from engine.execution import digest
from engine.files import read_lines, read_optional
from engine.progress import compile_interpreter
from engine.ranking import Entry
from engine.run_folder import RunFolder
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import Machine
from replay.experience import Origin, stored_program
from replay.store import ReplayStore
from report.model import HEADLINE, Limits, Puzzle, Result, Source
from report.sources.chronicle import Chronicle
from report.sources.facts import provenance_facts

_CHUNK = 2_000  # programs run at a time, to bound memory

Found = tuple[int, int, str, str, float]  # meta-iteration, finder, task, program, demonstration performance
_FINDERS = (Origin.POLICY, Origin.SEARCH)  # in the order of a meta-iteration


def is_run(path: Path) -> bool:
    """Whether a folder is of a run."""
    return (path / "config.toml").is_file()


def read_run(path: Path) -> Source:
    """What a run found so far.

    Raises `UsageError` for what is damaged, or tasks that are not what they were, and `ReplayError` for a damaged
    replay store.
    """
    folder = RunFolder(path)
    config = folder.config()
    puzzles = [Puzzle.of(task) for task in folder.search_tasks()]
    metrics = read_lines(path / "metrics.jsonl", "meta_iteration")
    summary = read_optional(path / "summary.json")
    chronicle = Chronicle(puzzles)
    done = _follow(chronicle, path, puzzles, config)
    return Source(
        name=path.resolve().name,
        path=path,
        kind="run",
        task_set=config.tasks.search,
        puzzles=puzzles,
        results=_with_policy(chronicle.results(), path, chronicle.points),
        summary=summary,
        clock="meta-iteration",
        points=chronicle.points,
        generalization=chronicle.generalization(),
        metrics=metrics,
        notes=_notes(done, config.loop.meta_iterations),
        facts=_facts(config, done, metrics, summary) | provenance_facts(path),
        limits=_limits(config),
    )


def _limits(config: Config) -> Limits:
    return Limits(config.interpreter.fuel, config.interpreter.arena_words)


def _with_policy(results: Mapping[str, Result], path: Path, points: Sequence[int]) -> dict[str, Result]:
    """The results, with what the samples of each meta-iteration alone solve, where the run has noted it."""
    rows = read_lines(path / "solved.jsonl", "meta_iteration", "policy")
    by_number = {row["meta_iteration"]: row["policy"].get(str(HEADLINE), {}) for row in rows}
    if not by_number:
        return dict(results)
    return {
        task: replace(result, by_policy=tuple(task in by_number.get(number, {}) for number in points))
        for task, result in results.items()
    }


def _notes(done: int, wanted: int) -> tuple[str, ...]:
    if done == 0:
        return ("This run has not finished a meta-iteration yet.",)
    return (f"This run has finished {done} of {wanted} meta-iterations.",) if done < wanted else ()


def _facts(
    config: Config, done: int, metrics: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]
) -> dict[str, str]:
    policy = config.trainer.checkpoint or config.trainer.policy
    facts = {"meta-iterations": str(done), "policy": policy, "seed": str(config.loop.seed)}
    if metrics:
        facts["samples"] = f"{sum(row.get('samples', 0) for row in metrics):,}"
    if "search" in summary:
        facts["programs of search"] = f"{summary['search']['programs']:,}"
        facts["minutes of search"] = f"{summary['search']['seconds'] / 60:,.1f}"
    if "seconds" in summary:
        facts["minutes"] = f"{summary['seconds'] / 60:,.1f}"
    return facts


def _follow(chronicle: Chronicle, path: Path, puzzles: Sequence[Puzzle], config: Config) -> int:
    """Take in all that the store holds, with a point for each meta-iteration; the number of these."""
    if not (path / "replay" / "data.mdb").is_file():
        return 0
    with ReplayStore(path / "replay", readonly=True) as store:
        done = (store.progress() or {}).get("meta_iteration", 0)
        found = sorted(_found(store, {puzzle.id for puzzle in puzzles}, done))
    if found:
        compile_interpreter()
    inputs = {puzzle.id: puzzle for puzzle in puzzles}
    predicted = zip(found, _predictions(found, inputs, config), strict=True)
    number = 0
    for meta_iteration, programs in groupby(predicted, key=lambda item: item[0][0]):
        _points(chronicle, meta_iteration)
        for (when, finder, task, program, performance), prediction in programs:
            chronicle.add(task, Entry(program, performance, prediction, number), when, _FINDERS[finder].value)
            number += 1
    _points(chronicle, done + 1)
    return done


def _found(store: ReplayStore, tasks: set[str], done: int) -> Iterator[Found]:
    for experience in store:
        when, origin = experience.discovered or (done + 1, Origin.MUTATED)
        if when <= done and experience.task in tasks:
            yield when, _FINDERS.index(origin), experience.task, experience.program, experience.priority


def _points(chronicle: Chronicle, before: int) -> None:
    """Close all meta-iterations before one."""
    for number in range(len(chronicle.points) + 1, before):
        chronicle.point(number)


def _predictions(found: Sequence[Found], puzzles: Mapping[str, Puzzle], config: Config) -> Iterator[bytes]:
    """The digest of what each program predicts for its task's test inputs."""
    machine = Machine(*_limits(config)) if found else None
    for start in range(0, len(found), _CHUNK):
        chunk = found[start : start + _CHUNK]
        grids = [puzzles[task].test_inputs for _, _, task, _, _ in chunk]
        code = Code.assemble([stored_program(task, text) for _, _, task, text, _ in chunk])
        counts = [len(inputs) for inputs in grids]
        jobs = np.stack([np.repeat(np.arange(len(chunk)), counts), np.arange(sum(counts))], axis=1).astype(np.int32)
        outputs = iter(machine.run(code, GridTable.pack([grid for inputs in grids for grid in inputs]), jobs).outputs)
        for count in counts:
            yield digest([next(outputs) for _ in range(count)])
