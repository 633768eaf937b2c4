"""What a run begins with: the tasks that it searches, those that it learns on, and their seed programs.

Seeds are loaded as they are written into the run's folder, and chosen from by the configuration: a resumed run reads
what was written and comes to the same choice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.config import Config
from engine.errors import UsageError
from engine.kept_tasks import hash_of
from engine.seeds.seed import Seed, load_seeds
from engine.tasks import Task, load_tasks
from engine.verification import try_programs
from interpreter.grids import Grid
from interpreter.language.program import Program
from interpreter.language.vocabulary import has_tokens
from interpreter.machine.machine import Machine
from interpreter.machine.pool import default_workers
from interpreter.primitives import PRIMITIVES
from replay.experience import Experience, Origin, relabel


@dataclass(frozen=True)
class Beginning:
    """What a run begins with; `loaded` are all seeds, `seeds` those that replay is filled from."""

    search_tasks: list[Task]
    training_tasks: dict[str, Task]
    loaded: list[Seed]
    seeds: list[Seed]
    notes: tuple[str, ...] = ()
    """what was left out"""

    @property
    def untrained(self) -> dict[str, Task]:
        """The searched tasks that are kept from training."""
        return {task.id: task for task in self.search_tasks if task.id not in self.training_tasks}

    @property
    def hashes(self) -> dict[str, str]:
        """What tells whether tasks are the same: a hash of those that are searched, and of those that train."""
        train = hash_of(list(self.training_tasks.values()))
        return {"search": hash_of(self.search_tasks, scored=True), "train": train}

    @property
    def kept_seeds(self) -> list[Seed]:
        """The seeds of tasks that are kept from training, whatever they do there."""
        tasks = self.untrained
        return [seed for seed in self.loaded if seed.task in tasks]

    @cached_property
    def kept(self) -> list[Experience]:
        """The `solutions` among `kept_seeds`, on their own demonstrations: what a policy is judged by. Runs them."""
        return solutions(self.kept_seeds, self.untrained)


def begin(config: Config, source: str | None, is_resumed: bool = False) -> Beginning:
    """Load and choose. `source` are seeds as `load_seeds` takes them, where the run does not find its own.

    Raises `UsageError` for what cannot be read, tasks that cannot be told apart, and where no seed is left.
    """
    training_tasks = {task.id: task for task in load_tasks(config.tasks.train)}
    search_tasks = load_tasks(config.tasks.search, config.tasks.task_ids, config.tasks.limit)
    _check_ids(training_tasks, search_tasks, config)
    seeds_of = config.seeds
    left = dict(training_tasks)
    if seeds_of.leave_own_out:
        searched = {task.id for task in search_tasks}
        left = {name: task for name, task in training_tasks.items() if name not in searched}
        if not left:
            raise UsageError("seeds.leave_own_out leaves no training task: all of them are searched")
    if seeds_of.discover_minutes and not is_resumed:
        if source is not None:
            raise UsageError(f"--seeds {source}: the run finds its own seeds, as seeds.discover_minutes says; not both")
        loaded = discovered(config, list(left.values()))
    else:
        loaded = load_seeds(source, training_tasks, seeds_of.limit)
    seeds, notes = _chosen(loaded, left, config.sampler.primitives)
    return Beginning(search_tasks, left, loaded, seeds, notes)


def discovered(config: Config, tasks: Sequence[Task]) -> list[Seed]:
    """The seeds that search finds from none on training tasks, in the minutes that the configuration gives it."""
    from engine.progress import compile_interpreter
    from engine.search.seed_search import discover

    compile_interpreter(search=True)
    workers = config.interpreter.workers or default_workers()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "discovered.jsonl"
        minutes = config.seeds.discover_minutes
        found = discover(config.tasks.train, tasks, file, config.loop.seed, minutes, workers, resume=False)
        if not found:
            raise UsageError(
                f"no seed program was found in {minutes:g} minutes: more (--seeds.discover-minutes), or --seeds PATH"
            )
        return load_seeds(str(file), {task.id: task for task in tasks}, config.seeds.limit)


def solutions(seeds: Sequence[Seed], tasks: Mapping[str, Task]) -> list[Experience]:
    """Of seeds those that are right on all demonstrations of their tasks, as experiences.

    Imported seeds need not be right, and are left out where they have more variables than a policy writes.
    """
    written = [seed for seed in seeds if has_tokens(seed.program)]
    if not written:
        return []
    alone = {name: replace(tasks[name], test_inputs=(), test_outputs=()) for name in {seed.task for seed in written}}
    trials = try_programs([(alone[seed.task], seed.program) for seed in written], Machine())
    return [_solution(seed, tasks[seed.task]) for seed, trial in zip(written, trials, strict=True) if trial.solves]


def _solution(seed: Seed, task: Task) -> Experience:
    experience = relabel(task.id, seed.program.text, task.outputs, task.outputs, Origin.MUTATED, 0, 0)
    assert experience is not None  # the outputs of a task are valid
    return experience


def is_of(program: Program, primitives: set[str]) -> bool:
    """Whether a program has no other primitives, called or as arguments; of none given, all may be there."""
    return not primitives or all(
        name in primitives for line in program.lines for name in line.names() if name in PRIMITIVES
    )


def _chosen(
    loaded: Sequence[Seed], training_tasks: Mapping[str, Task], primitives: Sequence[str]
) -> tuple[list[Seed], tuple[str, ...]]:
    """The seeds of training tasks that are programs of the language, and what is said of the others."""
    own = [seed for seed in loaded if seed.task in training_tasks]
    known = set(primitives)
    seeds = [seed for seed in own if is_of(seed.program, known)]
    notes = []
    if len(own) < len(loaded):
        notes.append(f"{len(loaded) - len(own)} of {len(loaded)} seeds kept from training: their tasks are searched")
    if len(seeds) < len(own):
        notes.append(
            f"{len(own) - len(seeds)} of {len(own)} seeds left out: they have other primitives than the "
            f"{len(known)} of sampler.primitives"
        )
    if not seeds:
        raise UsageError(f"no seed program is left of {len(loaded)}: {'; '.join(notes)}")
    return seeds, tuple(notes)


def _check_ids(training_tasks: Mapping[str, Task], search_tasks: Sequence[Task], config: Config) -> None:
    """Raise `UsageError` where two sets give the same id to different tasks, as ARC-AGI-1 and 2 do."""
    differing = [
        task.id
        for task in search_tasks
        if (other := training_tasks.get(task.id)) is not None and not _same_grids(task.inputs, other.inputs)
    ]
    if differing:
        raise UsageError(
            f"{len(differing)} tasks, such as {differing[0]}, are in {config.tasks.train} and in {config.tasks.search} "
            "with other demonstrations, which a run cannot tell apart: choose sets of one version of ARC-AGI, or "
            "search without these (--tasks.task-ids)"
        )


def _same_grids(some: Sequence[Grid], others: Sequence[Grid]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))
