"""The verb `exec`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from engine.commands.options.declaration import DEFAULT_FUEL, Argument, Fuel, InputFile, NewFile, Options


class ExecuteOptions(Options):
    """Run programs on grids.

    Run each line {"program": "...", "inputs": [grid, ...]} of a JSONL file; write {"outputs": [grid or null, ...],
    "status": ["ok", ...], "fuel": [int, ...]} in the same order.
    """

    verb: ClassVar[str] = "exec"
    does: ClassVar[str] = "engine.commands.execute:execute"

    file: Annotated[InputFile, Argument("FILE.jsonl", is_positional=True)]
    out: Annotated[NewFile, Argument("OUT.jsonl")] | None = None
    """default: standard output"""
    fuel: Fuel = DEFAULT_FUEL
