"""The fill of replay: seeds, mutants and augmented copies of both, in batches."""

import re
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

import engine.loop.fill
from bench.material.wild import mutants
from engine.augment import Transform
from engine.config import load_config
from engine.errors import UsageError
from engine.loop.beginning import Beginning, is_of
from engine.loop.fill import fill
from engine.progress import Display
from engine.seeds.seed import Seed, load_seeds
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import canonical, parse
from interpreter.machine.machine import Machine
from interpreter.mutation.mutator import Mutator
from interpreter.primitives import CONSTANTS
from replay.experience import Origin, relabel
from replay.store import ReplayStore

SMALL = ["--fill.mutants", "400", "--interpreter.workers", "1"]


@pytest.fixture(scope="module")
def tasks():
    return {task.id: task for task in load_tasks("arc1-train")}


@pytest.fixture(scope="module")
def seeds(tasks):
    return load_seeds(None, tasks)


def filled_stores(folder, seeds, tasks, config, capacity=None, searched=(), kept=()):
    """Fill stores in a folder: what `fill` says, and all that is in them, in an order that tells insertions."""
    with (
        ReplayStore(folder / "replay", capacity) as store,
        ReplayStore(folder / "heldout") as heldout,
        Display() as display,
    ):
        beginning = Beginning(list(searched), tasks, [*seeds, *kept], seeds)
        filled = fill(beginning, config, store, heldout, display)
        assert store.verify().ok
        assert heldout.verify().ok
        return filled, [each.draw(np.random.default_rng(0), 10**6, Origin.MUTATED) for each in (store, heldout)]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, tasks, seeds):
    filled, contents = filled_stores(tmp_path_factory.mktemp("smoke"), seeds, tasks, load_config("smoke"))
    return filled, *contents


def test_the_smoke_preset_starts_with_enough_distinct_experiences(smoke, seeds):
    filled, experiences, heldout = smoke
    assert filled.made == load_config("smoke").fill.mutants
    assert len({experience.key for experience in experiences}) == len(experiences) == filled.experiences
    assert 15_000 < len(experiences) < 17_000
    assert len(heldout) == filled.heldout == 200
    kept = {(experience.task, experience.program): experience.priority for experience in experiences}
    assert all(kept[seed.task, seed.program.text] == 1.0 for seed in seeds)


def test_held_out_programs_never_train(smoke, seeds):
    _, experiences, heldout = smoke
    programs = {experience.program for experience in heldout}
    assert len(programs) == len(heldout)
    assert programs.isdisjoint(experience.program for experience in experiences)
    assert programs.isdisjoint(seed.program.text for seed in seeds)


def test_programs_run_on_inputs_of_searched_tasks_and_no_test_is_touched(tmp_path, tasks, seeds):
    """Every program at most once on the task, and on variants of it."""
    searched = [replace(task, test_inputs=(), test_outputs=()) for task in load_tasks("arc1-eval", limit=1)]
    arguments = [*SMALL, "--fill.search-tasks", "1", "--fill.augment", "1", "--fill.augment-colors", "all"]
    config = load_config("smoke", None, arguments)
    known = dict(list(tasks.items())[:150])
    learned = [seed for seed in seeds if seed.task in known]
    _, (experiences, _) = filled_stores(tmp_path, learned, known, config, searched=searched)
    there = [experience for experience in experiences if experience.task == searched[0].id]
    programs = {experience.program for experience in experiences}
    assert len(programs) > 200
    assert len(there) == len({experience.program for experience in there}) > 0.5 * len(programs)
    assert {experience.origin for experience in there} == {Origin.MUTATED}
    assert any(experience.task.startswith(f"{searched[0].id}~") for experience in experiences)
    without, (others, _) = filled_stores(
        tmp_path / "without", learned, known, load_config("smoke", None, SMALL), searched=searched
    )
    assert without.experiences > 0
    assert searched[0].id not in {experience.task for experience in others}


def test_copies_of_other_colours_have_programs_with_theirs(tmp_path, tasks, seeds):
    """A program that names a colour commutes with none of its changes: recoloured it does, and stays with its own."""
    arguments = [*SMALL, "--fill.augment", "2", "--fill.augment-colors", "all"]
    known = dict(list(tasks.items())[:150])
    learned = [seed for seed in seeds if seed.task in known]
    found, apart = {}, {}
    for recolored in ("false", "true"):
        config = load_config("smoke", None, [*arguments, "--fill.augment-programs", recolored])
        filled, (experiences, heldout) = filled_stores(tmp_path / recolored, learned, known, config)
        assert filled.made == 400
        found[recolored] = {(one.task, one.program): one for one in experiences}
        apart[recolored] = heldout
    assert found["false"].items() <= found["true"].items()
    assert apart["false"] == apart["true"]
    new = [one for key, one in found["true"].items() if key not in found["false"]]
    assert len(new) > 0.3 * len(found["false"])
    programs = {program for _, program in found["false"]} - {one.program for one in apart["true"]}
    names = [name for name, value in CONSTANTS.items() if name not in "TF" and value in range(10)]
    for one in new:
        colors = one.task.rpartition("colors-")[2]
        before = " ".join(
            names[colors.index(str(names.index(word)))] if word in names else word
            for word in re.findall(r"\w+", one.program)
        )
        assert before in {" ".join(re.findall(r"\w+", program)) for program in programs}


def test_compositions_are_programs_of_their_own_on_tasks_with_their_colours(tmp_path, tasks, seeds):
    known = dict(list(tasks.items())[:150])
    learned = [seed for seed in seeds if seed.task in known]
    found = {}
    for count in (0, 300):
        config = load_config("smoke", None, [*SMALL, "--fill.compositions", str(count)])
        filled, (experiences, heldout) = filled_stores(tmp_path / str(count), learned, known, config)
        assert filled.made == 400 + count
        found[count] = {(one.task, one.program): one for one in (*experiences, *heldout)}
    assert found[0].keys() < found[300].keys()
    new = [one for key, one in found[300].items() if key not in found[0]]
    programs = {one.program for one in new}
    assert len(programs) > 200
    assert {one.program for one in found[0].values()}.isdisjoint(programs)
    colors = [name for name, value in CONSTANTS.items() if value in range(1, 10) and name not in "TF"]
    changed = 0
    for one in new:
        inputs = [known[one.task].inputs[pair] for pair in one.pairs]
        changed += any(not np.array_equal(a, b) for a, b in zip(one.outputs, inputs, strict=True))
    assert changed > 0.8 * len(new)
    assert any(name in program for name in colors for program in programs)


def test_compositions_have_the_primitives_that_programs_may_have(tmp_path, tasks, seeds):
    names = ["hmirror", "vmirror", "rot90", "rot180", "hconcat", "vconcat", "tophalf", "identity"]
    learned = [seed for seed in seeds if is_of(seed.program, set(names))]
    options = ["--fill.compositions", "40", "--sampler.primitives", ",".join(names), "--search.minutes", "0"]
    config = load_config("cpu", None, [*SMALL, *options])
    _, (experiences, _) = filled_stores(tmp_path, learned, tasks, config)
    assert len({one.program for one in experiences}) > 40
    assert all(is_of(parse(one.program), set(names)) for one in experiences)


def test_nothing_is_composed_where_no_macro_has_the_primitives(tmp_path, tasks, seeds):
    learned = [Seed("67a3c6ac", parse("O = identity(I)"), "hand")]
    options = ["--fill.compositions", "40", "--sampler.primitives", "identity", "--search.minutes", "0"]
    config = load_config("cpu", None, [*SMALL, *options])
    _, (experiences, _) = filled_stores(tmp_path, learned, tasks, config)
    assert {name for one in experiences for name in re.findall(r"[a-z]\w+", one.program)} <= {"identity", "x1"}


def test_what_equals_a_seed_that_is_kept_from_training_is_left_out(tmp_path, tasks, seeds):
    known = dict(list(tasks.items())[:150])
    learned = [seed for seed in seeds if seed.task in known]
    searched = [replace(task, id=f"other-{task.id}") for task in known.values()]
    config = load_config("smoke", None, [*SMALL, "--fill.search-tasks", "1"])
    made = filled_stores(tmp_path / "all", learned, known, config, searched=searched)[1]
    texts = {one.program for some in made for one in some} - {seed.program.text for seed in seeds}
    kept = [Seed(task.id, parse(text), "hand") for task, text in zip(searched, sorted(texts)[::3], strict=False)]
    assert len(kept) > 50
    without = filled_stores(tmp_path / "without", learned, known, config, searched=searched, kept=kept)[1]
    left = {one.program for some in without for one in some}
    assert left.isdisjoint(seed.program.text for seed in kept)
    assert left >= texts - {seed.program.text for seed in kept}


def test_a_searched_task_that_trains_is_run_as_such_alone(tmp_path, tasks, seeds):
    known = dict(list(tasks.items())[:20])
    learned = [seed for seed in seeds if seed.task in known]
    config = load_config("smoke", None, [*SMALL, "--fill.search-tasks", "2"])
    alone = filled_stores(tmp_path / "alone", learned, known, config)
    assert filled_stores(tmp_path / "both", learned, known, config, searched=list(known.values())[:5]) == alone


def test_at_most_a_tenth_of_the_mutant_programs_is_held_out(tmp_path, tasks, seeds):
    _, (experiences, heldout) = filled_stores(tmp_path, seeds, tasks, load_config("smoke", None, SMALL))
    programs = {experience.program for experience in (*experiences, *heldout)}
    assert len(heldout) == len(programs - {seed.program.text for seed in seeds}) // 10 > 10


@pytest.mark.parametrize("capacity", [None, 250])
def test_a_fill_that_was_killed_is_put_right_by_another(tmp_path, monkeypatch, tasks, seeds, capacity):
    monkeypatch.setattr(engine.loop.fill, "BATCH", 64)
    config = load_config("smoke", None, [*SMALL, "--fill.augment", "1"])
    whole = filled_stores(tmp_path / "whole", seeds, tasks, config, capacity)

    class Killed(BaseException):
        pass

    commits = iter(range(9))
    commit = ReplayStore.commit

    def commit_or_die(store, *arguments):
        if next(commits, None) is None:
            raise Killed
        return commit(store, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ReplayStore, "commit", commit_or_die)
        with pytest.raises(Killed):
            filled_stores(tmp_path / "killed", seeds, tasks, config, capacity)
    with ReplayStore(tmp_path / "killed" / "replay", capacity) as store:
        assert store.progress() is None
        assert len(store) > 100
    assert filled_stores(tmp_path / "killed", seeds, tasks, config, capacity) == whole
    folders = [ReplayStore(tmp_path / name / "replay", readonly=True) for name in ("whole", "killed")]
    assert folders[0].tasks() == folders[1].tasks()


def test_batches_are_bounded(tmp_path, monkeypatch, tasks, seeds):
    monkeypatch.setattr(engine.loop.fill, "BATCH", 50)
    sizes = []
    commit = ReplayStore.commit

    def counted(store, experiences, progress):
        sizes.append(len({experience.program for experience in experiences}))
        return commit(store, experiences, progress)

    monkeypatch.setattr(ReplayStore, "commit", counted)
    filled, _ = filled_stores(tmp_path, seeds[:20], tasks, load_config("smoke", None, SMALL))
    assert filled.made == 400
    assert len(sizes) == 2 * (1 + 400 // 50)
    assert max(sizes) <= 50


def test_a_fill_ends_where_hardly_any_new_mutants_are_found(tmp_path, monkeypatch, tasks, seeds):
    class Weary(Mutator):
        def mutants(self, n, seed):
            return super().mutants(n, seed, attempts=n // 20)

    monkeypatch.setattr(engine.loop.fill, "Mutator", Weary)
    filled, _ = filled_stores(tmp_path, seeds[:20], tasks, load_config("smoke", None, SMALL))
    assert 0 < filled.made <= 20


def test_seeds_that_no_policy_writes_are_left_out_and_counted(tmp_path, tasks, seeds, monkeypatch):
    said = []
    monkeypatch.setattr(Display, "say", lambda self, text: said.append(text))
    lines = ["x1 = hmirror(I)", *(f"x{k + 1} = hmirror(x{k})" for k in range(1, 70)), "O = vmirror(x70)"]
    long = Seed("67a3c6ac", parse("\n".join(lines)), "import")
    config = load_config("smoke", None, SMALL)
    _, (with_it, _) = filled_stores(tmp_path / "a", [*seeds[:3], long], tasks, config)
    _, (without, _) = filled_stores(tmp_path / "b", seeds[:3], tasks, config)
    assert with_it == without
    assert said == ["1 of 4 seeds left out: more than the 63 variables of the vocabulary"]
    with pytest.raises(UsageError, match="no seed program has at most 63 variables"):
        filled_stores(tmp_path / "c", [long], tasks, config)


def test_seeds_without_a_grid_are_refused(tmp_path, tasks):
    seed = Seed("67a3c6ac", parse("O = size(I)"), "hand")
    config = load_config("smoke", None, ["--fill.mutants", "0", "--interpreter.workers", "1"])
    with pytest.raises(UsageError, match="no seed program gives a valid grid"):
        filled_stores(tmp_path, [seed], tasks, config)


def test_augmented_copies_are_what_their_programs_do(tmp_path, tasks, seeds):
    config = load_config("smoke", None, [*SMALL, "--fill.augment", "3", "--fill.augment-colors", "all"])
    _, (experiences, heldout) = filled_stores(tmp_path, seeds, tasks, config)
    originals = {(e.task, e.program): e for e in experiences if "~" not in e.task}
    copies = [e for e in experiences if "~" in e.task]
    assert len(copies) > 200
    assert {e.program for e in copies}.isdisjoint(e.program for e in heldout)
    assert len({e.task.partition("~")[2][:5] for e in copies}) > 4
    machine = Machine()
    with ReplayStore(tmp_path / "replay", readonly=True) as store:
        for copy in islice(copies, 200):
            transform = transform_of(copy.task)
            original = originals[copy.task.partition("~")[0], copy.program]
            task = transform.task(tasks[original.task])
            assert all(map(np.array_equal, store.inputs(copy.task), task.inputs))
            jobs = np.array([(0, k) for k in range(len(task.inputs))], np.int32)
            runs = machine.run(Code.assemble([parse(copy.program)]), GridTable.pack(task.inputs), jobs)
            outputs = list(runs.outputs)
            assert copy == relabel(task.id, copy.program, outputs, task.outputs, Origin.MUTATED, 0, 0)
            assert (copy.pairs, copy.priority) == (original.pairs, original.priority)
            assert all(map(np.array_equal, copy.outputs, map(transform, original.outputs)))


def transform_of(task):
    """The transform that a variant's id names."""
    values = {}
    for part in task.split("~")[1:]:
        kind, _, colors = part.partition("-")
        values |= {"colors": tuple(map(int, colors))} if kind == "colors" else {"symmetry": kind}
    return Transform(**values)


def test_mutants_are_distinct_canonical_programs():
    program = parse("x1 = objects(I, T, F, T)\nx2 = argmax(x1, size)\nx3 = subgrid(x2, I)\nO = hmirror(x3)")
    found = [mutant.text for mutant in mutants(program, np.random.default_rng(0), limit=200, attempts=2000)]
    assert len(set(found)) == len(found) == 200
    assert all(canonical(text) == text for text in found)
    assert program.text not in found
