"""The verb `eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from engine.commands.options.declaration import (
    Argument,
    Cluster,
    Folder,
    Limit,
    OneOf,
    Options,
    Overrides,
    Positive,
    TaskIds,
)


class EvaluateOptions(Options):
    """Evaluate runs, checkpoints, searches or programs on a task set.

    Sample programs with the policies of runs and checkpoints, take what runs, searches, replay stores and files of
    programs hold, rank all of it together by both rankings, and score pass@1, 2 and 3 by task and by test output. A
    program with a task runs on that one alone, others on all. Writes figures, a file a task, submissions for ARC Prize
    and its benchmarking tool, and a table of all programs.
    """

    verb: ClassVar[str] = "eval"
    does: ClassVar[str] = "engine.commands.evaluate:evaluate"
    epilog: ClassVar[str] = "Options of sampler, interpreter and cluster can be set as --section.field value."
    exclusive: ClassVar[tuple[OneOf, ...]] = (
        OneOf(("run_dir", "model")),
        OneOf(("samples", "stored")),
    )

    sources: Annotated[tuple[Path, ...], Argument("SOURCE", is_positional=True, is_many=True)] = ()
    """a run, a checkpoint, the folder of a search or an evaluation, a replay store, or a file of programs"""
    run_dir: Folder | None = None
    """a run's folder"""
    model: Folder | None = None
    """a published checkpoint"""
    tasks: Annotated[str | None, Argument("SET")] = None
    """task set: a name, or a file or folder of tasks (default: that of the run, search or evaluation, or arc1-eval)"""
    task_ids: TaskIds = None
    limit: Limit = None
    samples: Positive | None = None
    """programs sampled a task (default: the run's, 24)"""
    stored: bool = False
    """score what was found, without sampling"""
    exhaustive: bool = False
    """screen programs for all tasks on every demonstration, not only on the first of each task"""
    out: Folder | None = None
    """default: <run, search or model>/eval/<set>, or runs/eval-<time>"""
    resume: bool = False
    """go on with the evaluation in --out"""
    cluster: Cluster = None
    overrides: Overrides = ()
