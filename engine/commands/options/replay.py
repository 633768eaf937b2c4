"""The verbs below `replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from engine.commands.options.declaration import Argument, AsJson, NewFile, Options, Positive

Store = Annotated[Path, Field(description="a run's folder, or its replay folder"), Argument("DIR", is_positional=True)]
OfTask = Annotated[str | None, Field(description="only of this task"), Argument("ID")]
OfOrigin = Annotated[
    Literal["policy", "mutated", "search"] | None,
    Field(description="only of this origin: policy, mutated or search"),
    Argument("ORIGIN"),
]


class StatsOptions(Options):
    """What a store holds.

    Counts of a replay store.
    """

    verb: ClassVar[str] = "stats"
    does: ClassVar[str] = "engine.commands.replay:stats"

    path: Store
    as_json: AsJson = False


class TopOptions(Options):
    """The experiences with the highest priority.

    Experiences by demonstration performance, then shortness.
    """

    verb: ClassVar[str] = "top"
    does: ClassVar[str] = "engine.commands.replay:top"

    path: Store
    n: Positive = 20
    """how many"""
    task: OfTask = None
    origin: OfOrigin = None
    as_json: Annotated[bool, Field(alias="json", description="a JSON object a line instead of a table")] = False


class StoredOptions(Options):
    """One experience, or those of a task, with all that is stored.

    Program, inputs and outputs, and who found it when.
    """

    verb: ClassVar[str] = "show"
    does: ClassVar[str] = "engine.commands.replay:show"

    path: Store
    what: Annotated[str, Argument("KEY", is_positional=True)]
    """the first digits of an experience's key (`replay top` shows them), or a task's id"""
    as_json: Annotated[bool, Field(alias="json", description="a JSON object a line")] = False


class VerifyOptions(Options):
    """Read everything and say what is wrong.

    Read every record of a store. Exit status 1 where something is wrong.
    """

    verb: ClassVar[str] = "verify"
    does: ClassVar[str] = "engine.commands.replay:verify"

    path: Store
    as_json: AsJson = False


class ExportOptions(Options):
    """Write the experiences to a file.

    Write all experiences in order of discovery to a JSONL or Parquet file, by the name's ending.
    """

    verb: ClassVar[str] = "export"
    does: ClassVar[str] = "engine.commands.replay:export"

    path: Store
    out: Annotated[NewFile, Argument("FILE.jsonl|FILE.parquet")]
    """the file to write"""
    task: OfTask = None
    origin: OfOrigin = None
