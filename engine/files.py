"""Files and folders on disk: whole or not at all, one owner, and rows that can be read after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.errors import UsageError


def new_folder(path: Path, option: str) -> None:
    """Make a folder, or take an empty one. Raises `UsageError`, naming the option, if something is in the way."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is already used: continue it with --resume, or choose another {option}")
    make_folder(path)


def make_folder(path: Path) -> None:
    """Make a folder, with those above it. Raises `UsageError` where that is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from None


def lock_folder(path: Path) -> ExitStack:
    """Lock a folder until what is returned is closed. Raises `UsageError` if it is locked."""
    held = ExitStack()
    try:
        held.enter_context(FileLock(path / ".lock", blocking=False, thread_local=False))
    except Timeout:
        raise UsageError(f"{path} is in use by another run") from None
    return held


def write_text(file: Path, text: str) -> None:
    """Write a whole file or nothing: temporary name, then rename."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)


def write_json(file: Path, record: Mapping[str, Any]) -> None:
    """Write a whole JSON file or nothing."""
    write_text(file, json.dumps(record, indent=2) + "\n")


def write_lines(file: Path, rows: list[Mapping[str, Any]]) -> None:
    """Write a whole JSONL file or nothing."""
    write_text(file, "".join(json.dumps(row) + "\n" for row in rows))


def append_line(file: Path, row: Mapping[str, Any]) -> None:
    """Append a line to a JSONL file."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


def read_lines(file: Path, *keys: str) -> list[dict[str, Any]]:
    """The rows of a JSONL file, each an object with `keys`; none if there is no file.

    A last line cut short by a kill is left out. Raises `UsageError` for any other line that is damaged.
    """
    if not file.is_file():
        return []
    complete = file.read_bytes().rpartition(b"\n")[0]
    rows = []
    for number, line in enumerate(complete.split(b"\n") if complete else [], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{file}, line {number}: not JSON ({error}); the file was damaged") from None
        if not isinstance(row, dict) or not row.keys() >= set(keys):
            what = " with ".join(["a JSON object", ", ".join(keys)] if keys else ["a JSON object"])
            raise UsageError(f"{file}, line {number}: not {what}; the file was damaged")
        rows.append(row)
    return rows
