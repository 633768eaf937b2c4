"""Opening the LMDB environment of a replay store: one writer, nothing foreign, nothing damaged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import lmdb
from filelock import FileLock, Timeout

from replay.disk import is_full
from replay.experience import ReplayError, pack, unpack
from replay.lmdb_file import TornFile, check_whole

MAX_READERS = 256

DATA_FILE, _LOCK_FILE, _WRITER_FILE = "data.mdb", "lock.mdb", "writer.lock"
_UNBORN = ".new"  # a store that is being made
_FORMAT = "codeit replay store"
FIRST_DATABASES = 3  # that stores of every version have


def claim(folder: Path) -> FileLock:
    """Make the store's folder and be its one writer until the release, or until the process ends in any way."""
    if folder.exists() and not folder.is_dir():
        raise ReplayError(f"{folder} is a file; name a folder for the replay store")
    if folder.is_dir() and not (folder / DATA_FILE).exists():
        foreign = sorted({entry.name for entry in folder.iterdir()} - {_LOCK_FILE, _WRITER_FILE, _UNBORN})
        if foreign:
            raise ReplayError(f"{folder} is no replay store (it has {foreign[0]}); name a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    writer = folder / _WRITER_FILE
    lock = FileLock(writer, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        pid = writer.read_text().strip()
        raise ReplayError(f"{folder} is written by process {pid}; wait for it, or open read-only") from None
    writer.write_text(str(os.getpid()))
    return lock


def open_environment(folder: Path, readonly: bool, map_size: int) -> lmdb.Environment:
    if readonly and not (folder / DATA_FILE).is_file():
        raise ReplayError(f"{folder} is no replay store (no {DATA_FILE}); name the replay folder of a run")
    lock = not readonly or os.access(folder / _LOCK_FILE, os.W_OK)  # a store of somebody else can be read without
    try:
        if not (folder / DATA_FILE).exists():
            _create(folder, map_size)
        check_whole(folder / DATA_FILE)
        environment = lmdb.open(
            str(folder), map_size=map_size, readonly=readonly, lock=lock, max_dbs=len(Databases.names()),
            max_readers=MAX_READERS,
        )  # fmt: skip
    except TornFile as error:
        raise ReplayError(f"{folder / DATA_FILE} is damaged: {error}; copy it again from where it came") from None
    except lmdb.InvalidError:
        raise ReplayError(
            f"{folder} is no replay store ({DATA_FILE} is not an LMDB file); name the replay folder of a run"
        ) from None
    except lmdb.Error as error:
        raise ReplayError(f"cannot open the replay store {folder}: {error}") from error
    if lock:
        environment.reader_check()  # free the slots of readers that were killed
    return environment


def _create(folder: Path, map_size: int) -> None:
    """Put an empty store into a folder: its file is there when all of it is."""
    unborn = folder / _UNBORN
    shutil.rmtree(unborn, ignore_errors=True)
    unborn.mkdir()
    opened = lmdb.open(str(unborn), map_size=map_size, max_dbs=len(Databases.names()))
    with closing(opened) as environment, environment.begin(write=True) as txn:
        databases = [environment.open_db(name, txn=txn) for name in Databases.names()]
        set_format(txn, databases[FIRST_DATABASES - 1])
    (unborn / DATA_FILE).rename(folder / DATA_FILE)
    shutil.rmtree(unborn)


@dataclass(frozen=True)
class Databases:
    """Handles of the databases of a store, see `replay.store`. Those after `meta` are None where a store of an earlier
    version has none, which only a reader meets."""

    tasks: lmdb._Database
    experiences: lmdb._Database
    meta: lmdb._Database
    numbers: lmdb._Database | None
    blocks: lmdb._Database | None
    removed: lmdb._Database | None

    @classmethod
    def names(cls) -> list[bytes]:
        return [field.name.encode() for field in fields(cls)]

    @classmethod
    def open(cls, environment: lmdb.Environment) -> Databases:
        """Those that are there. Raises `lmdb.NotFoundError` for something else in LMDB."""
        known = [environment.open_db(name, create=False) for name in cls.names()[:FIRST_DATABASES]]
        try:
            return cls(*known, *(environment.open_db(name, create=False) for name in cls.names()[FIRST_DATABASES:]))
        except lmdb.NotFoundError:
            return cls(*known, None, None, None)


def open_databases(environment: lmdb.Environment, folder: Path, readonly: bool) -> Databases:
    """The databases; what a store of an earlier version lacks is added by who writes it."""
    try:
        found = Databases.open(environment)
    except lmdb.NotFoundError:
        raise ReplayError(f"{folder} holds something else in LMDB; name the replay folder of a run") from None
    with environment.begin() as txn:
        record = txn.get(b"format", db=found.meta, default=b"")
    if unpack(record, f"replay store {folder}", str) != _FORMAT:
        raise ReplayError(f"{folder} holds something else in LMDB; name the replay folder of a run")
    if not readonly and found.blocks is None:
        for name in Databases.names()[FIRST_DATABASES:]:
            environment.open_db(name)
        found = Databases.open(environment)
    return found


def set_format(txn: lmdb.Transaction, meta: lmdb._Database) -> None:
    """Mark a store as one that this version writes, which earlier ones refuse."""
    txn.put(b"format", pack(_FORMAT), db=meta)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn what LMDB and the system refuse into a `ReplayError` that says what can be done."""
    try:
        yield
    except (lmdb.MapFullError, lmdb.MapResizedError):
        raise
    except lmdb.Error as error:
        if is_full(path):
            raise ReplayError(
                f"{path}: the disk is full; nothing of this commit is stored: make room, then --resume"
            ) from error
        raise ReplayError(f"{path}: LMDB cannot go on ({error}); the store may be damaged") from error
