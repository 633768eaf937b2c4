"""Opening the LMDB environment of a replay store: one writer, nothing foreign, nothing damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
from filelock import FileLock, Timeout

from replay.disk import is_full
from replay.experience import ReplayError, pack, unpack
from replay.lmdb_file import TornFile, check_whole

MAX_READERS = 256

DATA_FILE, _LOCK_FILE, _WRITER_FILE = "data.mdb", "lock.mdb", "writer.lock"
_FORMAT = "codeit replay store"


def claim(folder: Path) -> FileLock:
    """Make the store's folder and be its one writer until the release, or until the process ends in any way."""
    if folder.exists() and not folder.is_dir():
        raise ReplayError(f"{folder} is a file; name a folder for the replay store")
    if folder.is_dir() and not (folder / DATA_FILE).exists():
        foreign = sorted({entry.name for entry in folder.iterdir()} - {_LOCK_FILE, _WRITER_FILE})
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
        if (folder / DATA_FILE).exists():
            check_whole(folder / DATA_FILE)
        environment = lmdb.open(
            str(folder), map_size=map_size, readonly=readonly, lock=lock, max_dbs=3, max_readers=MAX_READERS
        )
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


def open_databases(environment: lmdb.Environment, folder: Path, readonly: bool) -> tuple[lmdb._Database, ...]:
    """Handles of tasks, experiences and meta; a new store gets all of them and its format in one transaction."""
    names = (b"tasks", b"experiences", b"meta")
    if not readonly and environment.stat()["entries"] == 0:
        with environment.begin(write=True) as txn:
            meta = [environment.open_db(name, txn=txn) for name in names][-1]
            txn.put(b"format", pack(_FORMAT), db=meta)
    try:
        databases = tuple(environment.open_db(name, create=False) for name in names)
    except lmdb.NotFoundError:
        raise ReplayError(f"{folder} holds something else in LMDB; name the replay folder of a run") from None
    with environment.begin() as txn:
        record = txn.get(b"format", db=databases[-1], default=b"")
    if unpack(record, f"replay store {folder}", str) != _FORMAT:
        raise ReplayError(f"{folder} holds something else in LMDB; name the replay folder of a run")
    return databases


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
