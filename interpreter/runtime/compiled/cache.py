"""Compiled code on disk: where it lies, who is trusted with it, and how a file of it is read and written.

    $CODEIT_CACHE, or ~/.cache/codeit
        numba-<key>/                    the key: a hash of what decides the machine code of whatever there is
            <module>.<function>-<fingerprint>.nbc     a hash of key, name and code, then the code

Invariants: code is unpickled and run, so nothing is read that somebody else than the user and root may write, but for a
folder that nobody may write, which whoever names it in CODEIT_CACHE trusts. A file that was cut off, damaged, or made
for another name or key reads as one that is not there. A file appears under its name when it is whole. Nothing here
knows Numba.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WRITABLE_BY_ANYBODY = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
HASH_BYTES = hashlib.sha256().digest_size


def base_folder() -> Path:
    """Where all caches of a user lie. Raises `OSError` where there is no such place."""
    chosen = os.environ.get("CODEIT_CACHE")
    if chosen:
        return Path(chosen).absolute()
    home = os.environ.get("HOME")
    if not home:
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            message = "no place for compiled code: HOME is not set; set CODEIT_CACHE to a folder that can be written"
            raise FileNotFoundError(errno.ENOENT, message) from None
    return Path(home).absolute() / ".cache" / "codeit"


def key_of(sources: Path, parts: Iterable[str], files: Iterable[str] = ()) -> str:
    """The key of Python files below `sources`, by default of all, and of whatever else decides what is compiled."""
    digest = hashlib.sha256()
    for file in [sources / name for name in files] or sorted(sources.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(sources).as_posix()}\0{len(content)}\0".encode() + content)
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """The code of one key. Every `OSError` names the folder or file, and CODEIT_CACHE."""

    folder: Path

    @classmethod
    def open(cls, key: str) -> Store:
        """The store of a key, which need not be there yet. Raises `OSError` where it cannot be trusted."""
        base = base_folder()
        store = cls(base / f"numba-{key}")
        for folder in (base, store.folder):
            try:
                status = folder.stat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise store._not_usable(error) from None
            # Others may add to a sticky base (/tmp), but cannot take the store's place: it belongs to somebody.
            sticky = folder == base and status.st_mode & stat.S_ISVTX and _owner(store.folder) in (None, *_ourselves())
            if not sticky:
                _trust(folder, status)
        return store

    def has(self, name: str) -> bool:
        """Whether there is code of a function, which may be damaged."""
        return self._file(name).is_file()

    def read(self, name: str) -> bytes | None:
        """The code of a function; None where it is not there as it was written. Raises `OSError` where others can
        write the file."""
        path = self._file(name)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read()
        except OSError:
            return None
        _trust(path, status)
        code = content[HASH_BYTES:]
        return code if content[:HASH_BYTES] == self._hash(name, code) else None

    def write(self, name: str, code: bytes) -> None:
        """Keep the code of a function. Raises `OSError` where that fails."""
        try:
            _make(self.folder.parent)
            _make(self.folder)
            descriptor, unfinished = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(self._hash(name, code) + code)
                os.chmod(unfinished, 0o644)
                os.replace(unfinished, self._file(name))
            except BaseException:
                os.unlink(unfinished)
                raise
        except OSError as error:
            raise self._not_usable(error) from None

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.nbc"

    def _hash(self, name: str, code: bytes) -> bytes:
        return hashlib.sha256(f"{self.folder.name}\0{name}\0".encode() + code).digest()

    def _not_usable(self, error: OSError) -> OSError:
        reason = os.strerror(error.errno or errno.EIO)
        remedy = "set CODEIT_CACHE to a folder that can be written and has 20 MB of room"
        return OSError(error.errno, f"cannot keep compiled code in {self.folder}: {reason}; {remedy}")


def _make(folder: Path) -> None:
    """Make a folder that others can read, but not write, whatever the umask lets them."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o755, exist_ok=True)


def _ourselves() -> tuple[int, int]:
    return os.geteuid(), 0


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _trust(path: Path, status: os.stat_result) -> None:
    """Raise `PermissionError` for a path that somebody else than the user and root may write."""
    if status.st_uid not in _ourselves():
        if status.st_mode & WRITABLE_BY_ANYBODY:
            raise _refusal(path, "it belongs to somebody else, who can write it")
    elif status.st_mode & WRITABLE_BY_OTHERS:
        raise _refusal(path, "others can write it (chmod -R go-w)")


def _refusal(path: Path, why: str) -> OSError:
    message = f"compiled code in {path} is not run, because {why}: set CODEIT_CACHE to a folder of your own"
    return PermissionError(errno.EACCES, message)
