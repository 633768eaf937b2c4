"""The first content of replay: seed programs on their training tasks, and mutants of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.config import Config
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

    Held-out experiences have programs that no other experience has.
    """
    generator = np.random.default_rng([config.loop.seed, 0])
    with display.phase("mutate", len(seeds)) as update:
        work: dict[tuple[str, Program], None] = {}
        for done, seed in enumerate(seeds, 1):
            work[seed.task, seed.program] = None
            wanted = config.fill.mutants_per_seed
            for mutant in mutants(seed.program, generator, wanted, ATTEMPTS * wanted):
                work[seed.task, mutant] = None
            update(done)
    used = [tasks[task] for task in dict.fromkeys(seed.task for seed in seeds)]
    with display.phase("execute"), Executor(used, config.interpreter) as executor:
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
