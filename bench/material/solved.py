"""What policies learn from in benches: seeds as experiences that are right on all demonstrations of their tasks."""

from __future__ import annotations

from collections.abc import Sequence

from engine.seeds.seed import Seed, load_seeds
from engine.tasks import Task, training_tasks
from interpreter.grids import Grid
from replay.experience import Experience, Origin, relabel
from replay.rows import Rows


def solution(seed: Seed, task: Task) -> Experience:
    """A seed as the experience of one that was right on all demonstrations of its task."""
    experience = relabel(task.id, seed.program.text, task.outputs, task.outputs, Origin.MUTATED, 0, 0)
    assert experience is not None  # the outputs of a task are valid
    return experience


def solved_rows(seeds: str | None) -> tuple[Rows, dict[str, Sequence[Grid]]]:
    """The solutions of seeds (a file, or the embedded ones), and the inputs of their tasks."""
    tasks = training_tasks()
    rows = Rows.of([solution(seed, tasks[seed.task]) for seed in load_seeds(seeds, tasks, None)])
    return rows, {task: tasks[task].inputs for task in rows.task_ids()}
