"""Sources of mutants that are tried on all tasks.

Mutate    mutants of the seeds, one change deep (the paper's baseline)
Remutate  mutants of what matched a demonstration somewhere: mutations of mutants
Spread    what solves a task, and mutants of it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.search.sources.own_task import OwnTasks
from engine.search.sources.source import Proposal, State
from engine.search.workers import Clock
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.language.program import Program, parse
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import observed_kinds
from interpreter.mutation.mutator import Mutator, program_keys


class Parents:
    """Programs that each belong to a task, by number, and their mutants."""

    def __init__(
        self,
        programs: Sequence[Program],
        owners: Sequence[int],
        home: OwnTasks,
        state: State,
        homes: npt.NDArray[np.int64] | None = None,
        stay: bool = False,
    ) -> None:
        """`homes` are the numbers that the tasks of `home` have in the search; mutants that `stay` run on the task of
        their parents alone."""
        self.programs = Symbols.pack(programs)
        self.owners = np.asarray(owners, np.int64)
        self._home, self._state, self._homes, self._stay = home, state, homes, stay
        kinds = observed_kinds(self.programs, home.inputs.grids, home.inputs.first[self.owners])
        effort = state.effort
        self._mutator = Mutator(self.programs, kinds, effort.rates, effort.max_lines, state.programs)

    def themselves(self) -> Proposal:
        """The programs; those of several tasks once."""
        keys, first = np.unique(program_keys(self.programs), return_index=True)
        order = np.argsort(first)
        return self._proposal(self.programs.take(first[order]), self.owners[first[order]], keys[order])

    def mutants(self, batch: int) -> Iterator[Proposal]:
        """New mutants; nothing where none are left."""
        state = self._state
        made = self._mutator.mutants(state.effort.mutants.at(batch), (state.seed, batch))
        if len(made.keys):
            yield self._proposal(made.programs, self.owners[made.parents], made.keys)

    def _proposal(self, programs: Symbols, owners: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> Proposal:
        if self._state.effort.on_own_task:
            return self._home.proposal(programs, owners, keys, self._state, self._stay, self._homes)
        return Proposal(programs, counts={"candidates": len(programs)})


class Mutate:
    """The seeds themselves, then mutants of them."""

    repeats = True

    def __init__(self, state: State, seeds: Sequence[Seed], training_tasks: Mapping[str, Task]) -> None:
        names = sorted({seed.task for seed in seeds})
        home = OwnTasks([training_tasks[name] for name in names], state.workers)
        owners = [names.index(seed.task) for seed in seeds]
        numbers = {task.id: number for number, task in enumerate(state.tasks)}
        homes = np.array([numbers.get(name, -1) for name in names], np.int64)
        self._parents = Parents([seed.program for seed in seeds], owners, home, state, homes)

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """The seeds in batch 0, mutants in later ones."""
        if batch == 0:
            yield self._parents.themselves()
        else:
            yield from self._parents.mutants(batch)


class Remutate:
    """Mutants of what matched a demonstration of any task, the latest of it.

    Where a task's own seeds are kept from it they stay with that task: what it matched may come of another's seeds.
    """

    repeats = False

    def __init__(self, state: State) -> None:
        self._state = state
        self._home = OwnTasks(state.tasks, state.workers)

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """Mutants of what was found before."""
        found = sorted((entry.found, task, entry.program) for task, entry in self._state.population.all())
        latest = found[-self._state.effort.latest :]
        if latest:
            programs, owners = [parse(text) for _, _, text in latest], [task for _, task, _ in latest]
            parents = Parents(programs, owners, self._home, self._state, stay=self._state.without_own)
            yield from parents.mutants(batch)


class Spread:
    """What solves a task, once, and mutants of it."""

    repeats = False

    def __init__(self, state: State) -> None:
        self._state = state
        self._home = OwnTasks(state.tasks, state.workers)
        self._tried: set[str] = set()

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """What was found since the batch before, then mutants of all that was found."""
        owners: dict[str, int] = {}
        for task, text in sorted(self._state.population.solved.items()):
            owners.setdefault(text, task)
        if not owners or clock.is_over():
            return
        new = [parse(text) for text in owners if text not in self._tried]
        self._tried.update(owners)
        if new:
            yield Proposal(Symbols.pack(new))
        parents = Parents([parse(text) for text in owners], list(owners.values()), self._home, self._state)
        yield from parents.mutants(batch)
