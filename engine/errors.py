"""Mistakes of the user, and what the system refuses: one line that says what would be right; exit status 2."""

from __future__ import annotations

import errno
import os


class UsageError(ValueError):
    """Something that the user can put right; the command line prints it and exits with status 2."""


_FULL = "make room, then go on with --resume, or name a folder elsewhere"
_ELSEWHERE = "name a folder or file that can be written (--out, --run-dir)"
_LESS = "close other programs, or use fewer workers"
# What to do about what the system refuses. An error that is not here is a bug, which keeps its traceback.
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: f"ask for the permission, or {_ELSEWHERE}",
    errno.EPERM: f"ask for the permission, or {_ELSEWHERE}",
    errno.EIO: "the disk or its connection fails: look at the system's log",
    errno.ENOENT: "look at the name",
    errno.ENOTDIR: "a part of the path is a file: look at the name",
    errno.EISDIR: "it is a folder: name a file",
    errno.ELOOP: "links lead in a circle: name the file itself",
    errno.ENAMETOOLONG: "choose a shorter one",
    errno.ENOMEM: _LESS,
    errno.EMFILE: "raise the limit (ulimit -n), or use fewer workers",
    errno.ENFILE: _LESS,
}


def printable(text: str) -> str:
    """A text that can be written as UTF-8: a name of a file that is none, or half a pair of surrogates, is spelled."""
    return text.encode("utf-8", "backslashreplace").decode()


def refused(error: OSError) -> UsageError | None:
    """What the system refused, as a line for the user with the path and a remedy; None for what is a bug of ours."""
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    paths = [
        os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, (str, bytes, os.PathLike))
    ]
    return UsageError(f"{' -> '.join(paths) or 'the system'}: {os.strerror(error.errno).lower()}: {remedy}")


def exhausted(error: MemoryError) -> UsageError:
    """The line for memory that could not be had, with what was asked for where that is known."""
    return UsageError(f"not enough memory: {error if str(error) else _LESS}")
