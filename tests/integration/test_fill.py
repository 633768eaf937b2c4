"""The fill of replay from the embedded seeds."""

import numpy as np
import pytest

from engine.config import load_config
from engine.fill import fill
from engine.progress import Display
from engine.seeds import load_seeds
from engine.tasks import load_tasks
from interpreter.mutation import mutants
from interpreter.program import canonical, parse


@pytest.fixture(scope="module")
def filled():
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, tasks)
    with Display() as display:
        return tasks, seeds, *fill(seeds, tasks, load_config("smoke"), display)


def test_the_smoke_preset_starts_with_enough_distinct_experiences(filled):
    _, seeds, experiences, heldout = filled
    assert len({experience.key for experience in experiences}) == len(experiences) >= 2000
    assert len(heldout) == 200
    kept = {(experience.task, experience.program): experience.priority for experience in experiences}
    assert all(kept[seed.task, seed.program.text] == 1.0 for seed in seeds)


def test_held_out_programs_never_train(filled):
    _, seeds, experiences, heldout = filled
    programs = {experience.program for experience in heldout}
    assert len(programs) == len(heldout)
    assert programs.isdisjoint(experience.program for experience in experiences)
    assert programs.isdisjoint(seed.program.text for seed in seeds)


def test_mutants_are_distinct_canonical_programs():
    program = parse("x1 = objects(I, T, F, T)\nx2 = argmax(x1, size)\nx3 = subgrid(x2, I)\nO = hmirror(x3)")
    found = [mutant.text for mutant in mutants(program, np.random.default_rng(0), limit=200, attempts=2000)]
    assert len(set(found)) == len(found) == 200
    assert all(canonical(text) == text for text in found)
    assert program.text not in found
