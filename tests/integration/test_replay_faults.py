"""The LMDB store on damaged files, full disks, other people's folders, and records of earlier versions."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from engine.loop.examples import to_examples
from engine.loop.rollout import stored_executions
from replay import Experience, Origin, ReplayError, ReplayStore
from replay.lmdb_file import check_whole
from trainer.codec import CompactCodec

GRID = np.array([[0, 1], [2, 3]], np.int8)


def experience(program: str, priority: float = 0.0, **change: object) -> Experience:
    fields = {"pairs": (0,), "outputs": (GRID,), "origin": Origin.POLICY, "meta_iteration": 1, "policy_version": 1}
    return Experience(task="task", program=program, priority=priority, **(fields | change))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store of some hundred experiences in several commits, closed."""
    folder = tmp_path / "filled"
    generator = np.random.default_rng(0)
    with ReplayStore(folder) as store:
        store.put_tasks({"task": [GRID]})
        for number in range(4):
            outputs = [generator.integers(0, 10, (30, 9)).astype(np.int8) for _ in range(200)]
            found = (experience(f"O = p{number}_{k}(I)", outputs=(output,)) for k, output in enumerate(outputs))
            store.commit(found, {"meta_iteration": number})
    return folder


@pytest.mark.parametrize("share", [0, 0.001, 0.05, 0.5, 0.9])
def test_a_file_that_was_cut_short_is_refused_and_kills_nobody(filled: Path, share: float) -> None:
    data = filled / "data.mdb"
    os.truncate(data, int(data.stat().st_size * share))
    for readonly in (True, False):
        with pytest.raises(ReplayError, match=r"data\.mdb is damaged: it has .* copy it again"):
            ReplayStore(filled, readonly=readonly)


def test_a_damaged_page_is_refused(filled: Path) -> None:
    content = bytearray((filled / "data.mdb").read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"something else !"
    (filled / "data.mdb").write_bytes(content)
    with pytest.raises(ReplayError, match=r"page \d+ holds something else"):
        ReplayStore(filled, readonly=True)


def test_a_good_file_may_end_before_its_last_page(tmp_path: Path) -> None:
    """LMDB does not write pages that a transaction took and gave back."""
    short = 0
    generator = np.random.default_rng(0)
    keys: list[bytes] = []
    with lmdb.open(str(tmp_path), map_size=1 << 28) as environment:
        for _ in range(40):
            with environment.begin(write=True) as txn:
                for _ in range(generator.integers(200)):
                    keys.append(generator.bytes(16))
                    txn.put(keys[-1], generator.bytes(int(generator.integers(1, 9000))))
                generator.shuffle(keys)
                for _ in range(min(len(keys), generator.integers(150))):
                    txn.delete(keys.pop())
            end = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            short += (tmp_path / "data.mdb").stat().st_size < end
            check_whole(tmp_path / "data.mdb")
    assert short


READ_AS_SOMEBODY = """
import os, sys
from replay import ReplayStore
os.setuid(65534)
with ReplayStore(sys.argv[1], readonly=True) as store:
    print(len(store))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_store_that_was_not_born_whole_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed as it makes one leaves nothing that a reader, or the next writer, would take for one."""
    folder = tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ReplayStore(folder)
    with pytest.raises(ReplayError, match="no replay store"):
        ReplayStore(folder, readonly=True)
    with ReplayStore(folder, capacity=1) as store:
        assert not store.is_full
        store.put_tasks({"task": [GRID]})
        store.commit([experience("O = hmirror(I)")], None)
        assert store.is_full
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_store_of_another_user_can_be_read(filled: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = Path(folder) / "store"
        shutil.copytree(filled, copy)
        for path in (copy, *copy.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        done = subprocess.run(
            [sys.executable, "-c", READ_AS_SOMEBODY, copy], capture_output=True, text=True, check=True
        )
    assert done.stdout == "800\n"


def test_what_the_system_refuses_is_one_line(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise lmdb.Error("mdb_txn_commit: Input/output error")

    with ReplayStore(filled) as store:
        monkeypatch.setattr(ReplayStore, "_write_experiences", refuse)
        with pytest.raises(ReplayError, match="LMDB cannot go on"):
            store.commit([experience("O = new(I)")], None)
        monkeypatch.setattr("replay.environment.is_full", lambda _: True)
        with pytest.raises(ReplayError, match="the disk is full; nothing of this commit is stored"):
            store.commit([experience("O = new(I)")], None)
        assert len(store) == 800


def test_a_record_keeps_all_its_finders_apart_from_its_class(tmp_path: Path) -> None:
    program = "O = hmirror(I)"
    with ReplayStore(tmp_path / "s") as store:
        store.put_tasks({"task": [GRID]})
        store.commit([experience(program, 0.5, origin=Origin.MUTATED, meta_iteration=0)], None)
        assert store.commit([experience(program, 0.5, meta_iteration=3)], None) == 0
        store.commit([experience(program, 0.5, meta_iteration=4)], None)
        [stored] = store
        assert stored.origin is Origin.MUTATED
        assert dict(stored.finders) == {"mutated": 0, "policy": 3}
        store.commit([experience(program, 1.0, meta_iteration=5)], None)  # a better one takes its place
        [stored] = store
        assert (stored.origin, stored.priority) == (Origin.POLICY, 1.0)
        assert dict(stored.finders) == {"mutated": 0, "policy": 3}
    with ReplayStore(tmp_path / "s", readonly=True) as store:
        assert [dict(e.finders) for e in store] == [{"mutated": 0, "policy": 3}]
        assert store.counts() == {Origin.POLICY: 1, Origin.MUTATED: 0, Origin.SEARCH: 0}


USES = {
    "run again": lambda store: list(stored_executions(store, None, {"task"})),
    "learned from": lambda store: to_examples(list(store), store, CompactCodec(320), 64),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_stored_program_of_another_language_is_named(tmp_path: Path, use: Callable) -> None:
    with ReplayStore(tmp_path / "s") as store:
        store.put_tasks({"task": [GRID]})
        store.commit([experience("O = teleport(I)")], None)
        with pytest.raises(ReplayError, match=r"of task task is none of this version, line 1: unknown function 'tele"):
            use(store)
