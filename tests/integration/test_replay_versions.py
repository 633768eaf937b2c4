"""Stores of earlier versions: read as they were, and written on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from replay import Experience, Origin, ReplayError, ReplayStore
from replay.draw import by_demonstrations
from replay.experience import SCHEMA_VERSION, pack, unpack

FIXTURE = Path(__file__).parents[1] / "fixtures" / "replay-1"  # written by schema version 1
EXPECTED = json.loads((FIXTURE / "expected.json").read_text())
GRID = np.array([[1]], np.int8)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "old"))


def row(experience: Experience) -> list[Any]:
    return [
        experience.task, experience.program, list(experience.pairs), [grid.tolist() for grid in experience.outputs],
        experience.origin.value, experience.priority, experience.meta_iteration, experience.policy_version,
        dict(experience.finders),
    ]  # fmt: skip


def new(number: int, priority: float) -> Experience:
    return Experience("second", f"O = p{number}(I)", (0,), (GRID,), Origin.POLICY, priority, 8, 8)


def assert_as_it_was(store: ReplayStore) -> None:
    assert [row(experience) for experience in store] == EXPECTED["rows"]
    assert [experience.key.hex() for experience in store.in_order()] == EXPECTED["in_order"]
    for origin in Origin:  # the versions that wrote these stores knew nothing of search
        drawn = store.draw(np.random.default_rng(3), 20, origin)
        assert [experience.key.hex() for experience in drawn] == EXPECTED["draws"].get(origin.value, [])
    assert store.progress() == {"meta_iteration": 1, "seconds": 2.5}
    assert store.tasks() == ["first", "second"]
    assert store.verify().ok


def test_blocks_of_schema_version_2_are_read_and_written_on(tmp_path: Path) -> None:
    """They have no column of characters, by which experiences can be drawn now."""
    path = tmp_path / "old"
    shutil.copytree(FIXTURE.with_name("replay-2"), path)
    expected = json.loads((path / "expected.json").read_text())
    before = (path / "data.mdb").read_bytes()
    for readonly in (True, False):
        with ReplayStore(path, readonly=readonly) as store:
            assert [row(experience) for experience in store] == expected["rows"]
            assert [experience.key.hex() for experience in store.in_order()] == expected["in_order"]
            for origin in Origin:
                drawn, _ = store.race_rows(np.random.default_rng(3), 20, origin, by_demonstrations)
                assert [rank["key"].tobytes().hex() for rank in drawn.ranks] == expected["draws"][origin.value]
                assert drawn.ranks["characters"].tolist() == [len(text) for text in drawn.programs()]
            assert store.verify().ok
        if readonly:
            assert (path / "data.mdb").read_bytes() == before
    with ReplayStore(path) as store:
        assert store.commit([new(number, 0.9) for number in range(3)], None) == 3
    with ReplayStore(path, readonly=True) as store:
        assert len(store) == len(expected["rows"]) + 3
        lengths = store.race_rows(np.random.default_rng(0), 99, Origin.POLICY, by_demonstrations)[0]
        assert lengths.ranks["characters"].tolist() == [len(text) for text in lengths.programs()]
        assert store.verify().ok


@pytest.mark.parametrize("readonly", [True, False])
def test_an_old_store_is_read_and_drawn_from_as_before(old: Path, readonly: bool) -> None:
    before = (old / "data.mdb").read_bytes()
    with ReplayStore(old, readonly=readonly) as store:
        assert_as_it_was(store)
    if readonly:
        assert (old / "data.mdb").read_bytes() == before


def test_an_old_store_is_written_on(old: Path) -> None:
    with ReplayStore(old) as store:
        store.put_tasks({"first": store.inputs("first"), "third": [GRID]})
        experiences = list(store)
        worst = next(e for e in experiences if e.priority == 0.0)
        told = next(e for e in experiences if dict(e.finders) == {"policy": e.meta_iteration} and e.priority == 0.5)
        order = [e.key for e in store.in_order()]
        better = replace(worst, priority=1.0, finders={})
        again = replace(told, origin=Origin.MUTATED, meta_iteration=9, finders={})
        assert store.commit([better, again, new(0, 0.25)], {"meta_iteration": 2}) == 1
    for readonly in (True, False):
        with ReplayStore(old, readonly=readonly) as store:
            assert len(store) == len(experiences) + 1
            found = {e.key: e for e in store}
            assert found[worst.key].priority == 1.0
            assert dict(found[told.key].finders) == {**told.finders, "mutated": 9}
            others = [e for e in experiences if e.key not in (worst.key, told.key)]
            assert [found[e.key] for e in others] == others
            later = [key for key in order if key != worst.key] + [worst.key, new(0, 0.25).key]
            assert [e.key for e in store.in_order()] == later
            assert store.verify().ok


def test_experiences_of_an_old_store_are_evicted(old: Path) -> None:
    with ReplayStore(old, capacity=20) as store:
        right = [e.program for e in store if e.priority == 1.0]
        assert store.commit([new(number, 0.9) for number in range(10)], None) == 20 - len(right) == 8
        kept = {e.program: e.priority for e in store}
        assert kept.keys() == {*right, *(f"O = p{number}(I)" for number in range(2, 10))}
        assert store.verify().ok
    with ReplayStore(old, readonly=True) as store:
        assert {e.program: e.priority for e in store} == kept


WRITER = """
import sys
import numpy as np
from replay import Origin, ReplayStore, relabel

grid = np.array([[1]], np.int8)
with ReplayStore(sys.argv[1]) as store:
    store.commit([relabel("second", "O = p(I)", [grid], [grid], Origin.POLICY, 8, 8)], None)
"""


def test_a_reader_sees_what_a_writer_adds_to_an_old_store(old: Path) -> None:
    with ReplayStore(old, readonly=True) as reader:
        assert len(reader) == 60
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        subprocess.run([sys.executable, "-c", WRITER, str(old)], env=environment, check=True)
        assert len(reader) == len(list(reader)) == 61
        assert reader.verify().ok


def test_a_store_that_was_written_on_is_refused_by_the_version_that_began_it(old: Path) -> None:
    with ReplayStore(old) as store:
        store.commit([new(0, 0.5)], None)
    with lmdb.open(str(old), max_dbs=6) as environment, environment.begin() as txn:
        record = txn.get(b"format", db=environment.open_db(b"meta", txn=txn, create=False))
    assert record[0] == SCHEMA_VERSION > 1


def test_a_damaged_record_of_an_old_store_is_named(old: Path) -> None:
    key = bytes.fromhex(EXPECTED["in_order"][0])
    with lmdb.open(str(old), max_dbs=6) as environment:
        database = environment.open_db(b"experiences", create=False)
        with environment.begin(write=True) as txn:
            value = unpack(txn.get(key, db=database), "record", dict)
            txn.put(key, pack({**value, "priority": 7.0}), db=database)
    with pytest.raises(ReplayError, match=f"experience {key.hex()}: the record is damaged"):
        ReplayStore(old)
    with ReplayStore(old, readonly=True) as reader:
        report = reader.verify()
    assert (report.experiences, len(report.problems)) == (60, 1)
    assert key.hex() in report.problems[0]
