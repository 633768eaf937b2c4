"""The first content of replay: seed programs on their training tasks, mutants of them, compositions of their parts.

A program runs on the task that it belongs to, on some other tasks, of training and of the search set, where it is as
good an example of itself, and on variants of these, where it counts if it commutes with the transform; so does, where
that is wanted, the program with its constants recoloured as the variant is. All of it goes in batches: only hashes and
priorities are kept in memory of what is done. The same seeds and configuration always give the same content, so that a
fill that was killed is put right by another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from engine.augment import COLORS, MAX_VARIANTS, Transform, draw_variants
from engine.config import Config, FillConfig
from engine.errors import UsageError
from engine.loop.beginning import Beginning
from engine.loop.composed import Composing
from engine.progress import Display
from engine.seeds.seed import Seed
from engine.task_grids import Indices, TaskGrids
from engine.tasks import Task
from interpreter.grids import Grid
from interpreter.language.symbols import Symbols
from interpreter.language.vocabulary import VARIABLES, has_tokens
from interpreter.machine.kinds import observed_kinds
from interpreter.machine.machine import Runs
from interpreter.machine.pool import Batch, Pool, default_workers
from interpreter.mutation.mutator import Mutator
from replay.experience import Experience, Origin, relabel
from replay.store import ReplayStore

BATCH = 4096  # programs that are made, run and committed together
EXHAUSTED = 10  # mutants run out where the tries for a batch find less than one in so many
TRIES = 16  # tasks that are looked at for the colours of a composition
HELDOUT_EVERY = 10  # at most one mutant program in ten is held out


@dataclass(frozen=True)
class Filled:
    """How many programs were made beside the seeds, and the experiences of all in replay and held out."""

    made: int
    experiences: int
    heldout: int


def fill(
    beginning: Beginning,
    config: Config,
    store: ReplayStore,
    heldout_store: ReplayStore,
    display: Display,
    phase: Callable[..., AbstractContextManager[Callable[..., None]]] | None = None,
) -> Filled:
    """Put experiences of the seeds and of what is made of them, and nothing else, into `store`.

    Every tenth program that was made, up to `fill.heldout`, goes into `heldout_store` instead, with one experience
    each. No other experience has its program, but for one that comes about again as a recoloured or a composed program:
    draws leave that out. What is made and equals a seed that is kept from training is in neither. The progress record
    is left to the caller. `phase` shows how far it is, `display.phase` where it is None. Raises `UsageError` where no
    program gives a valid grid.
    """
    seeds, tasks = _learnable(beginning.seeds, display), beginning.training_tasks
    generator = np.random.default_rng([config.loop.seed, 0])
    others = [task for task in beginning.search_tasks if task.id not in tasks] if config.fill.search_tasks else []
    places = _Places.prepare(list(tasks.values()), others, config.fill, generator)
    for each in (store, heldout_store):
        each.clear()  # what a killed fill left
        each.put_tasks({task.id: task.inputs for task in places.tasks})
    heldout = _HeldOut(config.fill.heldout, {seed.program.text for seed in beginning.kept_seeds})
    made = experiences = 0
    limits = config.interpreter
    total = len(seeds) + config.fill.mutants + config.fill.compositions
    works = chain(
        _work(seeds, places, config.fill, generator, config.sampler.primitives),
        _composed(seeds, tasks, places, config, generator),
    )
    with (
        (phase or display.phase)("fill", total) as update,
        Pool(places.inputs.grids, limits.workers, limits.fuel, limits.arena_words) as pool,
    ):
        for work, runs in _run(pool, works, places):
            kept, parted = heldout.part(_experiences(work, runs, places), work.is_made)
            experiences += store.commit(kept, None)
            heldout_store.commit(parted, None)
            made += work.count
            update(made, note=f"{experiences} experiences")
    if not experiences:
        raise UsageError("no seed program gives a valid grid on its task: there is nothing to learn from")
    return Filled(made - len(seeds), len(store), len(heldout_store))


def _learnable(seeds: Sequence[Seed], display: Display) -> list[Seed]:
    """The seeds that a policy can write."""
    learnable = [seed for seed in seeds if has_tokens(seed.program)]
    longer = len(seeds) - len(learnable)
    if longer:
        display.say(
            f"{longer} of {len(seeds)} seeds left out: more than the {len(VARIABLES)} variables of the vocabulary"
        )
    if not learnable:
        raise UsageError(f"no seed program has at most {len(VARIABLES)} variables: there is nothing to learn from")
    return learnable


# ------------------------------------------------------------------------------------- where programs run


@dataclass(frozen=True)
class _Places:
    """Training tasks by number, searched ones, then variants of both, with all demonstration inputs."""

    tasks: list[Task]
    training: int
    """how many are training tasks"""
    transforms: dict[int, Transform]
    """by the number of the variant"""
    variants: Indices
    """numbers, of (tasks, MAX_VARIANTS or, without augmentation, 0); -1 where a task has no more"""
    colors: Indices
    """what a task's transform does with the ten colours, of (tasks and variants, 10)"""
    palettes: Indices
    """the colours of a task's inputs, as bits"""
    inputs: TaskGrids

    @classmethod
    def prepare(
        cls, training: list[Task], searched: list[Task], config: FillConfig, generator: np.random.Generator
    ) -> _Places:
        """The tasks, and as many variants as augmentation may need."""
        tasks = training + searched
        numbered = list(tasks)
        transforms: dict[int, Transform] = {}
        variants = np.full((len(tasks), MAX_VARIANTS if config.augment else 0), -1)
        for number, task in enumerate(tasks):
            drawn = draw_variants(task, variants.shape[1], generator, config.augment_colors)
            variants[number, : len(drawn)] = len(numbered) + np.arange(len(drawn))
            transforms.update(enumerate(drawn, len(numbered)))
            numbered += drawn.values()
        colors = np.tile(np.arange(len(COLORS)), (len(numbered), 1))
        for number, transform in transforms.items():
            colors[number] = transform.colors
        seen = [np.unique(np.concatenate([grid.ravel() for grid in task.inputs])) for task in tasks]
        palettes = np.array([int((1 << some.astype(np.int64)).sum()) for some in seen])
        return cls(numbered, len(training), transforms, variants, colors, palettes, TaskGrids.pack(numbered))

    def draw(
        self, programs: int, training: int, searched: int, generator: np.random.Generator, *shape: int
    ) -> list[Indices]:
        """Tasks by chance: of (programs, training, *shape), and the same of searched tasks, where there are any."""
        found = [generator.integers(self.training, size=(programs, training, *shape))]
        if len(self.variants) > self.training:
            size = (programs, searched, *shape)
            found.append(generator.integers(self.training, len(self.variants), size=size))
        return found

    def with_colors(self, colors: Indices, tasks: Indices) -> Indices:
        """Of `tasks` (programs, n, tries) the first try that has the colours of the program, the first where none has:
        (programs, n)."""
        has = colors[:, None, None] & ~self.palettes[tasks] == 0
        return np.take_along_axis(tasks, has.argmax(axis=2)[..., None], axis=2)[..., 0]


@dataclass(frozen=True)
class _Work:
    """Programs, whether they were made of seeds, and where they run: one row for each (program, task).

    Behind the programs that were made, which `program` says, come those that were recoloured; `written` runs. First
    tasks, in order of program, its own before others, with `base` -1; then variants, whose `base` is the row of the
    task.
    """

    programs: Symbols
    is_made: bool
    count: int
    program: Indices
    written: Indices
    task: Indices
    base: Indices

    def batch(self, places: _Places) -> Batch:
        """What the pool runs: the demonstrations of each row, in order."""
        return self.programs.code(), places.inputs.jobs(self.written, self.task)


def _work(
    seeds: Sequence[Seed],
    places: _Places,
    config: FillConfig,
    generator: np.random.Generator,
    primitives: Sequence[str],
) -> Iterator[_Work]:
    """The seeds, then their mutants."""
    numbers = {task.id: number for number, task in enumerate(places.tasks)}
    own = np.array([numbers[seed.task] for seed in seeds])
    programs = Symbols.pack([seed.program for seed in seeds])
    for some in np.split(np.arange(len(seeds)), range(BATCH, len(seeds), BATCH)):
        chosen = _with_others(own[some], places, config, generator)
        yield _assign(programs.take(some), chosen, places, config, generator, is_made=False)
    kinds = observed_kinds(programs, places.inputs.grids, places.inputs.first[own])
    mutator = Mutator(programs, kinds, primitives=primitives)

    def mutants(n: int) -> tuple[Symbols, Indices]:
        made = mutator.mutants(n, int(generator.integers(1 << 62)))
        return made.programs, made.parents

    for made, parents in _batches(config.mutants, mutants):
        chosen = _with_others(own[parents], places, config, generator)
        yield _assign(made, chosen, places, config, generator, is_made=True)


def _composed(
    seeds: Sequence[Seed],
    tasks: Mapping[str, Task],
    places: _Places,
    config: Config,
    generator: np.random.Generator,
) -> Iterator[_Work]:
    """Compositions, each on tasks by chance."""
    if not config.fill.compositions:
        return
    composing = Composing(seeds, tasks, config.interpreter.workers or default_workers(), config.sampler.primitives)
    for programs, colors in _batches(config.fill.compositions, lambda n: composing.draw(n, generator)):
        tries = places.draw(len(programs), config.fill.other_tasks + 1, config.fill.search_tasks, generator, TRIES)
        chosen = np.column_stack([places.with_colors(colors, some) for some in tries])
        yield _assign(programs, chosen, places, config.fill, generator, is_made=True)


def _batches(wanted: int, make: Callable[[int], tuple[Symbols, Indices]]) -> Iterator[tuple[Symbols, Indices]]:
    """What `make` gives of so many programs, until there are enough or hardly any new ones are found."""
    while wanted:
        n = min(wanted, BATCH)
        programs, about = make(n)
        if len(programs):
            yield programs, about
        wanted = wanted - len(programs) if EXHAUSTED * len(programs) >= n else 0


def _with_others(own: Indices, places: _Places, config: FillConfig, generator: np.random.Generator) -> Indices:
    """A row for each program: its own task, and others by chance."""
    return np.column_stack([own, *places.draw(len(own), config.other_tasks, config.search_tasks, generator)])


def _assign(
    programs: Symbols,
    chosen: Indices,
    places: _Places,
    config: FillConfig,
    generator: np.random.Generator,
    is_made: bool,
) -> _Work:
    """Let each program run on the tasks of its row, and on variants of each of these."""
    program, column = np.nonzero(_first_in_row(chosen))
    task = chosen[program, column]
    variants = places.variants[task]
    order = np.where(variants < 0, 1.0, generator.random(variants.shape)).argsort(axis=1)[:, : config.augment]
    variants = np.take_along_axis(variants, order, axis=1)
    base, column = np.nonzero(variants >= 0)
    variant = variants[base, column]
    recolored, changed = _recolored(programs, program[base], places.colors[variant], config.augment_programs)
    return _Work(
        Symbols.concatenate([programs, recolored]),
        is_made,
        len(programs),
        np.concatenate([program, program[base], program[base][changed]]),
        np.concatenate([program, program[base], len(programs) + np.arange(len(recolored))]),
        np.concatenate([task, variant, variant[changed]]),
        np.concatenate([np.full(len(task), -1), base, base[changed]]),
    )


def _recolored(programs: Symbols, which: Indices, colors: Indices, wanted: bool) -> tuple[Symbols, Indices]:
    """Those of the programs `which` that others come of with colours replaced, these others, and their places."""
    if not wanted:
        return programs.take(which[:0]), which[:0]
    before = programs.take(which)
    after = before.recolored(colors)
    lines = (before.rows != after.rows).any(axis=1)
    changed = np.flatnonzero(np.logical_or.reduceat(lines, before.starts[:-1])) if len(which) else which
    return after.take(changed), changed


def _first_in_row(values: Indices) -> npt.NDArray[np.bool_]:
    """Whether each value is not there earlier in its row."""
    return np.column_stack([(values[:, :k] != values[:, k, None]).all(axis=1) for k in range(values.shape[1])])


def _run(pool: Pool, works: Iterator[_Work], places: _Places) -> Iterator[tuple[_Work, Runs]]:
    """What each batch gave. The pool has the next one already."""
    begun: deque[_Work] = deque()

    def batches() -> Iterator[Batch]:
        for work in works:
            begun.append(work)
            yield work.batch(places)

    for runs in pool.stream(batches(), ahead=2):
        yield begun.popleft(), runs


# --------------------------------------------------------------------------------------- what comes of it


def _experiences(work: _Work, runs: Runs, places: _Places) -> Iterator[tuple[int, Experience]]:
    """The index of the program, as it was made, and the experience of each row that has one."""
    _, starts = places.inputs.inputs(work.task)
    valid = np.logical_or.reduceat(runs.outputs.shapes[:, 0] > 0, starts[:-1])

    def outputs(row: int) -> list[Grid | None]:
        return [runs.outputs[k] for k in range(starts[row], starts[row + 1])]

    texts: dict[int, str] = {}
    for row in np.flatnonzero(valid).tolist():
        written, number, base = int(work.written[row]), int(work.task[row]), int(work.base[row])
        if base >= 0 and not places.transforms[number].commutes(outputs(base), outputs(row)):
            continue
        if written not in texts:
            texts[written] = work.programs.program(written).text
        task = places.tasks[number]
        experience = relabel(
            task.id, texts[written], outputs(row), task.outputs, Origin.MUTATED, meta_iteration=0, policy_version=0
        )
        assert experience is not None  # an output of the machine is a valid grid
        yield int(work.program[row]), experience


class _HeldOut:
    """Chooses the made programs that are held out, as they come: every tenth, until there are enough."""

    def __init__(self, limit: int, kept: Container[str]) -> None:
        """Programs that are `kept` from training are left out where they are made again."""
        self._left = limit
        self._kept = kept
        self._programs = 0

    def part(
        self, experiences: Iterator[tuple[int, Experience]], is_made: bool
    ) -> tuple[list[Experience], list[Experience]]:
        """What trains of a batch, and the first experience of each program that is held out."""
        kept: list[Experience] = []
        heldout: list[Experience] = []
        trains: dict[int, bool] = {}
        for program, experience in experiences:
            if is_made and experience.program in self._kept:
                continue
            if program not in trains:
                trains[program] = not (is_made and self._next())
                if not trains[program]:
                    heldout.append(experience)
            if trains[program]:
                kept.append(experience)
        return kept, heldout

    def _next(self) -> bool:
        """Whether the next program is held out."""
        self._programs += 1
        chosen = self._left > 0 and self._programs % HELDOUT_EVERY == 0
        self._left -= chosen
        return chosen
