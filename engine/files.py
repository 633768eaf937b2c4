"""Files and folders: what is written is there whole or not at all, with one owner; what is damaged is named.

Hidden files and folders, and what macOS and Jupyter leave behind, are no data. What cannot be read is a `UsageError`
that names it: nothing is skipped without a word, and nothing waits for a pipe that nobody writes to.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

from filelock import FileLock, Timeout

from engine.errors import UsageError

MAX_NAME = 120  # characters of a name that stands for a text
_BEGINNING = 2_000  # bytes of a file

T = TypeVar("T")
_DEBRIS = ("__MACOSX", "__pycache__")


# ---------------------------------------------------------------------------------------- of other people


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


@contextmanager
def resumable(folder: Path, safe: str, options: str | None = None) -> Iterator[None]:
    """Turn what a disk refuses in a folder that can be gone on from into a `UsageError` that says how, with which
    `options` (by default `--out` with it); `safe` is what is not lost."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}; {safe} is safe: make room, then continue with "
            f"{options or f'--out {folder}'} --resume"
        ) from error


def write_new(file: Path, texts: Iterable[str]) -> None:
    """Write texts, as they come, to a file that is there once all are written; nothing is left of one that failed.

    Raises `UsageError` where the file is there already, or another process writes it, and `OSError` where it cannot be
    written.
    """
    unfinished, lock = file.with_name(file.name + ".tmp"), _lock_of(file)
    with _held(lock, f"{file} is being written by another process: choose another --out"):
        try:
            if file.exists():  # since it was asked for, by another process
                raise UsageError(f"{file} exists already: choose another --out")
            with _named(file), unfinished.open("w", encoding="utf-8") as out:
                out.writelines(texts)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


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


# ------------------------------------------------------------------------------------------- of our own


def read_object(file: Path, *keys: str) -> dict[str, Any]:
    """The JSON object of a file of ours, with all of `keys`. Raises `UsageError`."""
    value = read_json(file)
    if not isinstance(value, dict) or not value.keys() >= set(keys):
        right = f" with {', '.join(keys)}" if keys else ""
        raise UsageError(f"{file}: no JSON object{right}; the file was damaged")
    return value


def read_optional(file: Path) -> dict[str, Any]:
    """The JSON object of a file of ours that may not be there yet: then an empty one. Raises `UsageError`."""
    return read_object(file) if file.is_file() else {}


def as_settings(form: Callable[..., T], settings: Mapping[str, Any], file: Path, what: str) -> T:
    """What was read of a folder's settings, in the form that this version gives it. Raises `UsageError`."""
    try:
        return form(**settings)
    except TypeError as error:
        raise UsageError(f"{file}: no settings of {what} of this version ({error}); the file was damaged") from None


def new_folder(path: Path, option: str) -> None:
    """Make a folder, or take an empty one. Raises `UsageError`, naming the option, if something is in the way."""
    check_unused(path, option)
    make_folder(path)


def check_unused(path: Path, option: str) -> None:
    """Raise `UsageError`, naming the option, where `new_folder` would."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is already used: continue it with --resume, or choose another {option}")


def timed_folder(name: str) -> Path:
    """Where a command writes that was told no folder: `runs/<name>-<time>`, with a number if that is there."""
    wanted = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    return next(path for path in chain([wanted], numbered) if not path.exists())


def safe_name(text: str) -> str:
    """A name for a file that stands for a text, whatever is in it: letters, digits and `._~-` stay, the rest is spelled
    as in addresses (%2F), and what is long is cut, with a hash. Different texts have different names."""
    name = quote(text, safe="")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) <= MAX_NAME:
        return name
    return f"{name[:MAX_NAME]}%%{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"  # no text is spelled so


def make_folder(path: Path) -> None:
    """Make a folder, with those above it. Raises `UsageError` where that is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from None


def lock_folder(path: Path) -> ExitStack:
    """Lock a folder until what is returned is closed. Raises `UsageError` if it is locked."""
    return _held(path / ".lock", f"{path} is in use by another run")


def lock_file(file: Path) -> ExitStack:
    """The same of a file that may not be there yet."""
    return _held(_lock_of(file), f"{file} is in use by another process")


def _lock_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _held(lock: Path, otherwise: str) -> ExitStack:
    """Hold a lock file until what is returned is closed. Raises `UsageError`, saying `otherwise`, if it is held."""
    held = ExitStack()
    try:
        held.enter_context(FileLock(lock, blocking=False, thread_local=False))
    except Timeout:
        raise UsageError(otherwise) from None
    return held


def check_ours(file: Path, mark: str) -> None:
    """Raise `UsageError` for a file that is there without the `mark` near its beginning that ours have."""
    if not file.exists():
        return
    content = b"" if file.is_dir() else read_bytes(file)
    if mark.encode() not in content[:_BEGINNING]:
        raise UsageError(f"{file} is there already, and codeit did not write it: choose another --out")


def write_text(file: Path, text: str) -> None:
    """Write a whole file or nothing: temporary name, then rename."""
    temporary = file.with_name(file.name + ".tmp")
    with _named(file):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)


def write_json(file: Path, record: Mapping[str, Any]) -> None:
    """Write a whole JSON file or nothing."""
    write_text(file, json.dumps(record, indent=2) + "\n")


def write_lines(file: Path, rows: list[Mapping[str, Any]]) -> None:
    """Write a whole JSONL file or nothing."""
    write_text(file, "".join(json.dumps(row) + "\n" for row in rows))


def append_line(file: Path, row: Mapping[str, Any]) -> None:
    """Append a line to a JSONL file, in the place of a last one that was cut short."""
    with _named(file), file.open("a+b") as lines:
        cut_unfinished(lines)
        lines.write((json.dumps(row) + "\n").encode())


def cut_unfinished(lines: IO[bytes]) -> None:
    """Cut off a last line without its end, as a kill or a full disk leaves it, of a file open to read and append."""
    if not lines.seek(0, os.SEEK_END):
        return
    lines.seek(-1, os.SEEK_END)
    if lines.read(1) != b"\n":
        lines.seek(0)
        lines.truncate(lines.read().rfind(b"\n") + 1)


def read_lines(file: Path, *keys: str) -> list[dict[str, Any]]:
    """All `rows_of` a file; none if there is no file."""
    return list(rows_of(file, *keys)) if file.is_file() else []


def rows_of(file: Path, *keys: str, length: int | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file in order, each an object with `keys`; where a length is given, of so many bytes.

    A last line cut short by a kill is left out. Raises `UsageError` for any other line that is damaged.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if length is not None and (length := length - len(line)) < 0:
                return
            if line.endswith(b"\n"):
                yield _row(line, f"{file}, line {number}", keys)


def _row(line: bytes, where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON ({error}); the file was damaged") from None
    if not isinstance(row, dict) or not row.keys() >= set(keys):
        what = " with ".join(["a JSON object", ", ".join(keys)] if keys else ["a JSON object"])
        raise UsageError(f"{where}: not {what}; the file was damaged")
    return row


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Name the file in what the system refuses: an error of writing does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise
