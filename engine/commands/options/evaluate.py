"""The verb `eval`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.commands.options.declaration import (
    Argument,
    Folder,
    Limit,
    OneOf,
    Options,
    Overrides,
    Positive,
    TaskIds,
)


class EvaluateOptions(Options):
    """Evaluate a run or a checkpoint on a task set.

    Sample programs with the last policy of a run (or with a checkpoint), rank them by both rankings, and score pass@1,
    2 and 3.
    """

    verb: ClassVar[str] = "eval"
    does: ClassVar[str] = "engine.commands.launch:evaluate"
    epilog: ClassVar[str] = "Sampler and interpreter options can be set as --section.field value."
    exclusive: ClassVar[tuple[OneOf, ...]] = (
        OneOf(("run_dir", "model"), is_required=True),
        OneOf(("samples", "stored")),
    )

    run_dir: Folder | None = None
    """a run's folder"""
    model: Folder | None = None
    """a published checkpoint"""
    tasks: Annotated[str | None, Argument("SET")] = None
    """task set (default: the run's, or arc1-eval)"""
    task_ids: TaskIds = None
    limit: Limit = None
    samples: Positive | None = None
    """programs sampled a task (default: the run's, 24)"""
    stored: bool = False
    """score what the run found, without sampling"""
    out: Folder | None = None
    """default: <run or model>/eval/<set>"""
    overrides: Overrides = ()
