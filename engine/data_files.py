"""Files that other people wrote, and files that others must not find half written.

Hidden files and folders, and what macOS and Jupyter leave behind, are no data. What cannot be read is a `UsageError`
that names it: nothing is skipped without a word, and nothing waits for a pipe that nobody writes to.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from engine.errors import UsageError

_DEBRIS = ("__MACOSX", "__pycache__")


def data_files(folder: Path, suffix: str, deep: bool = False) -> list[Path]:
    """The files of a folder whose names end in `suffix`, in order; with `deep`, of all folders below it, too.

    Links to folders are not followed. Raises `UsageError` for a folder that cannot be read, a broken link or a loop of
    them, and whatever else is neither file nor folder.
    """
    found = [file for file in _walk(folder, deep) if file.name.endswith(suffix)]
    return sorted(file for file in found if _is_regular(file))


def read_bytes(file: Path) -> bytes:
    """The content of a file. Raises `UsageError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


def read_json(file: Path) -> Any:
    """The value of a JSON file, with or without a byte order mark. Raises `UsageError`."""
    try:
        return json.loads(read_bytes(file).decode("utf-8-sig"))
    except RecursionError:
        raise UsageError(f"{file}: no JSON that can be read: nested too deeply") from None
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise UsageError(f"{file}: {error}") from None


def write_new(file: Path, texts: Iterable[str]) -> None:
    """Write texts, as they come, to a file that is there once all are written; nothing is left of one that failed.

    Raises `UsageError` where the file is there already, another process writes it, or it cannot be written.
    """
    unfinished = file.with_name(file.name + ".tmp")
    with _locked(unfinished, file) as out:
        try:
            if file.exists():  # since it was asked for, by another process
                raise UsageError(f"{file} exists already: choose another --out")
            for text in texts:
                _write(out, text, file)
            _write(out, None, file)
            unfinished.replace(file)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def printable(text: str) -> str:
    """A text that can be written as UTF-8: a name of a file that is none, or half a pair of surrogates, is spelled."""
    return text.encode("utf-8", "backslashreplace").decode()


def _walk(folder: Path, deep: bool) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"cannot read the folder {folder}: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _DEBRIS:
            continue
        path = Path(entry.path)
        if not entry.is_dir(follow_symlinks=False):
            yield path
        elif deep:
            yield from _walk(path, deep)


def _is_regular(file: Path) -> bool:
    """Whether a path is a file: not where it leads to a folder. Raises `UsageError` where it is neither."""
    try:
        file.stat()
    except OSError as error:
        what = "a broken link" if file.is_symlink() else "unreadable"
        raise UsageError(f"{file} is {what}: {error.strerror}; remove it, or put the file in its place") from None
    if not file.is_file() and not file.is_dir():
        raise UsageError(f"{file} is neither a file nor a folder: remove it")
    return file.is_file()


def _locked(unfinished: Path, file: Path) -> TextIO:
    """The unfinished file, emptied, which no other process writes until it is closed."""
    try:
        while True:
            out = unfinished.open("a", encoding="utf-8")
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if unfinished.exists() and os.path.samestat(unfinished.stat(), os.fstat(out.fileno())):
                os.truncate(unfinished, 0)
                return out
            out.close()  # another process finished with it before the lock was ours
    except BlockingIOError:
        raise UsageError(f"{file} is being written by another process: choose another --out") from None
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}: choose another --out") from None


def _write(out: TextIO, text: str | None, file: Path) -> None:
    """Write a text; None: what is still in memory."""
    try:
        if text is None:
            out.flush()
        else:
            out.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}: choose another --out") from None
