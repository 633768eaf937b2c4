"""The first content of replay: seed programs on their training tasks, and mutants of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.config import Config
from engine.errors import UsageError
from engine.execution import Executor
from engine.progress import Display
from engine.seeds import Seed
from engine.tasks import Task
from interpreter.mutation import mutants
from interpreter.program import Program
from replay.experience import Experience, Origin, relabel

# Tries for each mutant wanted: a small program has few distinct neighbours.
ATTEMPTS = 4


def fill(
    seeds: Sequence[Seed], tasks: Mapping[str, Task], config: Config, display: Display
) -> tuple[list[Experience], list[Experience]]:
    """Experiences of the seeds and their mutants, and those held out of training.

    A program runs on the task it belongs to, and on some other tasks, where it is as good an example of itself.
    Held-out experiences have programs that no other experience has.
    """
    generator = np.random.default_rng([config.loop.seed, 0])
    names = sorted(tasks)
    work: dict[tuple[str, Program], None] = {}
    with display.phase("mutate", len(seeds)) as update:
        for done, seed in enumerate(seeds, 1):
            wanted = config.fill.mutants_per_seed
            for program in (seed.program, *mutants(seed.program, generator, wanted, ATTEMPTS * wanted)):
                others = generator.choice(names, config.fill.other_tasks)
                work.update(((str(task), program), None) for task in (seed.task, *others))
            update(done)
    with display.phase("execute"), Executor(list(tasks.values()), config.interpreter) as executor:
        executions = executor.run(list(work))
    experiences = [
        experience
        for execution in executions
        if (
            experience := relabel(
                execution.task, execution.program, execution.outputs, tasks[execution.task].outputs,
                Origin.MUTATED, meta_iteration=0, policy_version=0,
            )
        )
    ]  # fmt: skip
    if not experiences:
        raise UsageError("no seed program gives a valid grid on its task: there is nothing to learn from")
    return _hold_out(experiences, {seed.program.text for seed in seeds}, config.fill.heldout, generator)


def _hold_out(
    experiences: list[Experience], seeds: set[str], n: int, generator: np.random.Generator
) -> tuple[list[Experience], list[Experience]]:
    """Part off `n` experiences (a tenth at most) of distinct mutant programs, with all others of these programs."""
    programs = sorted({experience.program for experience in experiences} - seeds)
    n = min(n, len(programs) // 10)
    chosen = {programs[k] for k in generator.choice(len(programs), n, replace=False)} if n else set()
    heldout = {e.program: e for e in experiences if e.program in chosen}
    return [e for e in experiences if e.program not in chosen], list(heldout.values())
