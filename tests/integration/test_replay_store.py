"""The LMDB store: what it keeps, what it refuses, and what is left of it after a kill."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay import Experience, Origin, ReplayError, ReplayStore
from replay.blocks import pack_block
from replay.experience import SCHEMA_VERSION, pack
from replay.rows import pack_ranks, pack_rows

GRID = np.array([[0, 1], [2, 3]], np.int8)
WIDE = np.array([[9] * 30], np.int8)
TASKS = {"a": [GRID, WIDE], "b": [WIDE]}
SMALL_MAP = 1 << 17


def experience(program: str, priority: float = 0.0, task: str = "a", **change: object) -> Experience:
    fields = {"pairs": (0,), "outputs": (GRID,), "origin": Origin.POLICY, "meta_iteration": 1, "policy_version": 1}
    return Experience(task=task, program=program, priority=priority, **(fields | change))


def many(n: int, start: int = 0) -> list[Experience]:
    return [experience(f"O = p{i}(I)", (i % 5) / 4) for i in range(start, start + n)]


def programs(store: ReplayStore) -> set[str]:
    return {stored.program for stored in store}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "replay"


@pytest.fixture
def store(path: Path) -> Iterator[ReplayStore]:
    with ReplayStore(path) as opened:
        opened.put_tasks(TASKS)
        yield opened


@contextmanager
def raw(path: Path, database: str) -> Iterator[lmdb.Transaction]:
    """A write transaction behind the store's back."""
    with lmdb.open(str(path), max_dbs=6) as environment:
        handle = environment.open_db(database.encode())
        with environment.begin(write=True, db=handle) as txn:
            yield txn


# What is kept


def test_all_comes_back_after_a_restart(path: Path, store: ReplayStore) -> None:
    both = experience("O = hmirror(I)", 0.5, pairs=(0, 1), outputs=(GRID, WIDE), origin=Origin.MUTATED)
    other = experience("O = hmirror(I)", 1.0, task="b", outputs=(WIDE,))
    assert store.commit([both, other], {"meta_iteration": 0, "phases": {1: "draw"}}) == 2
    store.close()
    for readonly in (False, True):
        with ReplayStore(path, readonly=readonly) as again:
            assert list(again) == sorted([both, other], key=lambda e: e.key)
            assert len(again) == 2
            assert again.counts() == {Origin.POLICY: 1, Origin.MUTATED: 1, Origin.SEARCH: 0}
            assert again.progress() == {"meta_iteration": 0, "phases": {1: "draw"}}
            assert again.tasks() == ["a", "b"]
            assert [grid.tolist() for grid in again.inputs("a")] == [GRID.tolist(), WIDE.tolist()]
            assert ("a", "O = hmirror(I)") in again
            assert ("a", "O = vmirror(I)") not in again
            assert again.verify().ok


def test_a_new_store_is_empty(path: Path) -> None:
    with ReplayStore(path) as store:
        assert len(store) == 0
        assert list(store) == store.tasks() == []
        assert store.progress() is None
        assert store.draw(np.random.default_rng(0), 5, Origin.POLICY) == []
        assert store.verify().ok
        assert store.stats()["experiences"] == 0


def test_iteration_goes_through_many_records_in_order_of_the_keys(store: ReplayStore) -> None:
    store.commit(many(3000), None)
    keys = [stored.key for stored in store]
    assert len(keys) == 3000
    assert keys == sorted(keys)


def test_a_commit_without_progress_leaves_the_last_one(store: ReplayStore) -> None:
    store.commit([], {"meta_iteration": 7})
    store.commit(many(1), None)
    assert store.progress() == {"meta_iteration": 7}


def test_a_known_key_keeps_the_record_with_the_higher_priority(store: ReplayStore) -> None:
    assert store.commit([experience("O = p(I)", 0.5, meta_iteration=1, origin=Origin.MUTATED)], None) == 1
    for priority, meta_iteration, kept in ((0.25, 2, 1), (0.5, 3, 1), (0.75, 4, 4), (0.5, 5, 4)):
        assert store.commit([experience("O = p(I)", priority, meta_iteration=meta_iteration)], None) == 0
        assert [stored.meta_iteration for stored in store] == [kept]
    assert store.counts() == {Origin.POLICY: 1, Origin.MUTATED: 0, Origin.SEARCH: 0}
    assert [e.priority for e in store.draw(np.random.default_rng(0), 9, Origin.POLICY)] == [0.75]


def test_a_key_twice_in_a_commit_is_one_experience(store: ReplayStore) -> None:
    twins = [experience("O = p(I)", priority, meta_iteration=i) for i, priority in enumerate((0.5, 1.0, 1.0, 0.25))]
    assert store.commit(twins, None) == 1
    assert [(stored.priority, stored.meta_iteration) for stored in store] == [(1.0, 1)]


def test_a_cleared_store_is_like_a_new_one(path: Path, store: ReplayStore) -> None:
    store.commit(many(100), {"meta_iteration": 0})
    store.clear()
    for _ in range(2):
        assert (len(store), store.tasks(), store.progress()) == (0, [], None)
        assert store.draw(np.random.default_rng(0), 5, Origin.POLICY) == []
        store.close()
        store = ReplayStore(path)
    store.put_tasks({"a": [WIDE]})  # other inputs than before
    assert store.commit(many(3), None) == 3
    assert len(store.draw(np.random.default_rng(0), 5, Origin.POLICY)) == 3
    assert store.verify().ok
    store.close()
    with ReplayStore(path, readonly=True) as reader, pytest.raises(ReplayError, match="open read-only"):
        reader.clear()


def test_a_full_map_grows_and_loses_nothing(path: Path) -> None:
    with ReplayStore(path, map_size=SMALL_MAP) as store:
        store.put_tasks(TASKS)
        for start in range(0, 4000, 1000):
            assert store.commit(many(1000, start), {"stored": start + 1000}) == 1000
        assert store.stats()["disk_bytes"] > SMALL_MAP
    with ReplayStore(path, map_size=SMALL_MAP) as store:
        assert store.commit(many(1000, 4000), {"stored": 5000}) == 1000
        assert programs(store) == {e.program for e in many(5000)}
        assert store.verify().ok


# Draws


def test_a_restart_draws_what_would_have_been_drawn(path: Path, store: ReplayStore) -> None:
    store.commit(many(200), None)
    store.commit([experience("O = p7(I)", 0.9), *many(50, start=500)], None)
    drawn = store.draw(np.random.default_rng(5), 40, Origin.POLICY)
    store.close()
    for readonly in (False, True):
        with ReplayStore(path, readonly=readonly) as again:
            assert again.draw(np.random.default_rng(5), 40, Origin.POLICY) == drawn


def test_draws_are_by_origin_and_prefer_high_priorities(store: ReplayStore) -> None:
    store.commit(many(100), None)
    store.commit([experience(f"O = m{i}(I)", origin=Origin.MUTATED) for i in range(10)], None)
    drawn = store.draw(np.random.default_rng(0), 20, Origin.POLICY)
    assert len({e.key for e in drawn}) == 20
    assert all(e.priority > 0 for e in drawn)
    assert len(store.draw(np.random.default_rng(0), 500, Origin.POLICY)) == 100
    assert {e.origin for e in store.draw(np.random.default_rng(0), 500, Origin.MUTATED)} == {Origin.MUTATED}


# Capacity


def test_the_lowest_priority_goes_first_and_the_oldest_among_equals(path: Path) -> None:
    with ReplayStore(path, capacity=3) as store:
        store.put_tasks(TASKS)
        store.commit([experience("one", 0.5), experience("two", 0.25), experience("three", 0.25)], None)
        assert store.commit([experience("four", 0.25)], None) == 1
        assert programs(store) == {"one", "three", "four"}
    with ReplayStore(path, capacity=3) as store:
        assert store.commit([experience("five", 0.25), experience("six", 0.0)], None) == 1
        assert programs(store) == {"one", "four", "five"}
        assert store.counts()[Origin.POLICY] == len(store) == 3
        assert store.verify().ok


def test_a_commit_larger_than_the_capacity_leaves_its_best(path: Path) -> None:
    with ReplayStore(path, capacity=10) as store:
        store.put_tasks(TASKS)
        assert store.commit(many(100), {"meta_iteration": 0}) == 10
        assert [stored.priority for stored in store] == [1.0] * 10
        assert store.commit(many(100, start=1000), None) == 10
        assert programs(store) == {f"O = p{i}(I)" for i in range(1000, 1100) if i % 5 == 4 and i >= 1054}


def test_a_better_record_that_is_still_the_worst_is_evicted(path: Path) -> None:
    with ReplayStore(path, capacity=2) as store:
        store.put_tasks(TASKS)
        store.commit([experience("worst", 0.0), experience("good", 1.0)], None)
        assert store.commit([experience("worst", 0.25), experience("better", 0.5)], None) == 1
        assert programs(store) == {"good", "better"}


def test_a_smaller_capacity_holds_from_the_next_commit(path: Path, store: ReplayStore) -> None:
    store.commit(many(100), None)
    store.close()
    with ReplayStore(path, capacity=20) as smaller:
        assert smaller.commit([], None) == 0
        assert [stored.priority for stored in smaller] == [1.0] * 20
    for capacity in (0, -1):
        with pytest.raises(ReplayError, match="at least 1"):
            ReplayStore(path, capacity=capacity)


step = st.lists(st.tuples(st.integers(0, 15), st.sampled_from([0.0, 0.5, 1.0])), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(capacity=st.integers(1, 12), steps=st.lists(st.tuples(step, st.booleans()), max_size=6))
def test_commits_agree_with_a_plain_list(
    tmp_path_factory: pytest.TempPathFactory, capacity: int, steps: list[tuple[list[tuple[int, float]], bool]]
) -> None:
    path = tmp_path_factory.mktemp("model")
    model: list[tuple[str, float]] = []  # oldest first
    store = ReplayStore(path, capacity)
    store.put_tasks(TASKS)
    for number, (batch, reopen) in enumerate(steps):
        best: dict[str, float] = {}
        for program, priority in batch:
            best[f"p{program}"] = max(priority, best.get(f"p{program}", 0.0))
        before = dict(model)
        better = {p: priority for p, priority in best.items() if priority > before.get(p, -1.0)}
        model = [entry for entry in model if entry[0] not in better] + list(better.items())
        for victim in sorted(model, key=lambda entry: entry[1])[: max(0, len(model) - capacity)]:
            model.remove(victim)
        new = store.commit([experience(f"p{program}", priority) for program, priority in batch], {"commit": number})
        assert new == len(dict(model).keys() - before.keys())
        if reopen:
            store.close()
            store = ReplayStore(path, capacity)
        assert {(stored.program, stored.priority) for stored in store} == set(model)
        assert store.counts()[Origin.POLICY] == len(store) == len(model)
        assert store.progress() == {"commit": number}
    assert store.verify().ok
    store.close()


# What is refused


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (experience("O = q(I)", task="c"), "task c is not in .* put_tasks"),
        (experience("O = q(I)", task="b", pairs=(1,)), "pair 1 of task b, which has 1 demonstration"),
        (experience("O = q(I)", outputs=(-GRID,)), "not a grid"),
    ],
)
def test_a_refused_commit_stores_nothing(store: ReplayStore, bad: Experience, message: str) -> None:
    store.commit(many(5), {"meta_iteration": 0})
    with pytest.raises(ReplayError, match=message):
        store.commit([*many(5, start=5), bad], {"meta_iteration": 1})
    with pytest.raises(TypeError, match=r"cannot hold a \w*Path"):
        store.commit(many(5, start=5), {"path": Path()})
    assert len(store) == store.counts()[Origin.POLICY] == 5
    assert store.progress() == {"meta_iteration": 0}


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"new": [GRID], "a": [GRID]}, "task a is in .* with other demonstration inputs"),
        ({"new": [GRID], "a": [WIDE, GRID]}, "other demonstration inputs"),
        ({"new": [GRID], "empty": []}, "task empty: no demonstration inputs"),
        ({"new": [GRID], "bad": [np.full((31, 2), 1, np.int8)]}, "task bad: an input is no valid grid"),
        ({"new": [GRID], "": [GRID]}, "task id"),
        ({"new": [GRID], "x" * 256: [GRID]}, "task id"),
    ],
)
def test_refused_tasks_change_nothing(store: ReplayStore, tasks: dict[str, list], message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        store.put_tasks(tasks)
    assert store.tasks() == ["a", "b"]
    store.put_tasks(TASKS)
    assert store.inputs("a")[0].tolist() == GRID.tolist()
    with pytest.raises(ReplayError, match="task zzz is not in"):
        store.inputs("zzz")


def test_a_reader_needs_a_replay_store(tmp_path: Path) -> None:
    def refuse(path: Path, message: str) -> None:
        with pytest.raises(ReplayError, match=message) as caught:
            ReplayStore(path, readonly=True)
        assert "\n" not in str(caught.value)

    refuse(tmp_path / "missing", "missing is no replay store .* name the replay folder of a run")
    assert not (tmp_path / "missing").exists()
    refuse(tmp_path, "is no replay store")
    file = tmp_path / "file"
    file.write_text("hello")
    refuse(file, "is no replay store")
    garbage = tmp_path / "garbage"
    garbage.mkdir()
    (garbage / "data.mdb").write_bytes(b"hello" * 4000)
    refuse(garbage, "not an LMDB file")
    foreign = tmp_path / "foreign"
    with lmdb.open(str(foreign)) as environment, environment.begin(write=True) as txn:
        txn.put(b"key", b"value")
    refuse(foreign, "something else in LMDB")


def test_a_writer_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ReplayError, match=r"it has notes\.txt"):
        ReplayStore(tmp_path)
    with pytest.raises(ReplayError, match="is a file"):
        ReplayStore(tmp_path / "notes.txt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]
    foreign = tmp_path / "foreign"
    with lmdb.open(str(foreign)) as environment, environment.begin(write=True) as txn:
        txn.put(b"key", b"value")
    with pytest.raises(ReplayError, match="something else in LMDB"):
        ReplayStore(foreign)
    with lmdb.open(str(foreign)) as environment, environment.begin() as txn:
        assert list(txn.cursor()) == [(b"key", b"value")]


def test_a_read_only_store_does_not_write(path: Path, store: ReplayStore) -> None:
    store.close()
    with ReplayStore(path, readonly=True) as reader:
        for write in (lambda: reader.commit([], {}), lambda: reader.put_tasks({})):
            with pytest.raises(ReplayError, match="read-only"):
                write()


def test_there_is_one_writer(path: Path, store: ReplayStore) -> None:
    with pytest.raises(ReplayError, match=f"written by process {os.getpid()}"):
        ReplayStore(path)
    store.commit(many(3), None)  # the refused one has taken nothing with it
    with pytest.raises(ReplayError, match=f"written by process {os.getpid()}"):
        ReplayStore(path)
    store.close()
    ReplayStore(path).close()


def test_a_closed_store_says_so(store: ReplayStore) -> None:
    store.close()
    store.close()
    for use in (store.progress, store.tasks, lambda: len(store), lambda: store.commit([], None)):
        with pytest.raises(ReplayError, match="is closed"):
            use()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_cannot_use_the_store(store: ReplayStore) -> None:
    store.commit(many(3), None)
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (store.progress, lambda: store.commit([], None), store.close):
            try:
                use()
            except ReplayError as error:
                refused += "before the fork" in str(error)
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert store.commit(many(6), {"meta_iteration": 1}) == 3


# Inspection


def change_block(path: Path, change: Callable[[bytes], bytes]) -> None:
    with raw(path, "blocks") as txn:
        [(key, value)] = list(txn.cursor())
        txn.put(key, change(value))


def put_block(path: Path, stray: Experience, key: bytes | None = None, insertion: int = 99, task: int = 0) -> None:
    """Another block, of one experience."""
    ranks = pack_ranks([key or stray.key], [stray], [insertion], {stray.task: task})
    with raw(path, "blocks") as txn:
        txn.put((1).to_bytes(8), pack_block(ranks, pack_rows([stray])))


def damage_value(path: Path) -> None:
    change_block(path, lambda value: value[:-1])


def newer_schema(path: Path) -> None:
    change_block(path, lambda value: bytes([SCHEMA_VERSION + 1]) + value[1:])


def wrong_key(path: Path) -> None:
    put_block(path, experience("O = q(I)"), key=bytes(16))


def same_key(path: Path) -> None:
    put_block(path, experience("O = p0(I)"))


def unknown_task(path: Path) -> None:
    put_block(path, experience("O = q(I)", task="stray"), task=1)
    with raw(path, "numbers") as txn:
        txn.put(b"stray", (1).to_bytes(4))


def bad_color(path: Path) -> None:
    put_block(path, experience("O = q(I)", outputs=(np.array([[7]], np.int8),)))
    with raw(path, "blocks") as txn:
        txn.put((1).to_bytes(8), txn.get((1).to_bytes(8))[:-1] + b"\x0b")


def taken_insertion(path: Path) -> None:
    put_block(path, experience("O = q(I)"), insertion=0)


def short_row(path: Path) -> None:
    put_block(path, experience("O = q(I)"))
    with raw(path, "blocks") as txn:
        value = txn.get((1).to_bytes(8))
        place = value.index(b"O = q(I)")
        txn.put((1).to_bytes(8), value[: place - 4] + b"\xff" + value[place - 3 :])  # pairs


def bad_task(path: Path) -> None:
    with raw(path, "tasks") as txn:
        txn.put(b"c", pack([]))


def bad_progress(path: Path) -> None:
    with raw(path, "meta") as txn:
        txn.put(b"progress", b"")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage_value, "damaged"),
        (newer_schema, f"schema version {SCHEMA_VERSION + 1}"),
        (short_row, "the record is damaged"),
        (same_key, "it is there twice"),
        (wrong_key, "the hash of its task and program is"),
        (unknown_task, "task stray is not in"),
        (bad_color, "an output is no valid grid"),
        (taken_insertion, "insertion number 0 is taken"),
        (bad_task, "task c: no demonstration inputs"),
        (bad_progress, "progress record"),
    ],
)
def test_verify_finds_what_is_wrong(path: Path, store: ReplayStore, harm: Callable[[Path], None], message: str) -> None:
    store.commit(many(1), {"meta_iteration": 0})
    store.close()
    harm(path)
    with ReplayStore(path, readonly=True) as reader:
        report = reader.verify()
    assert not report.ok
    assert len(report.problems) == 1
    assert message in report.problems[0]


@pytest.mark.parametrize("harm", [damage_value, newer_schema])
def test_a_writer_does_not_start_on_records_it_cannot_read(
    path: Path, store: ReplayStore, harm: Callable[[Path], None]
) -> None:
    store.commit(many(2), None)
    store.close()
    harm(path)
    with pytest.raises(ReplayError, match="block 0: "):
        ReplayStore(path)
    with ReplayStore(path, readonly=True) as reader:  # the refused writer has let go
        assert len(reader.verify().problems) == 1


def test_stats_are_fit_for_json(store: ReplayStore) -> None:
    store.commit(many(10), None)
    stats = json.loads(json.dumps(store.stats()))
    assert stats["experiences"] == 10
    assert stats["counts"] == {"policy": 10, "mutated": 0, "search": 0}
    assert stats["tasks"] == 2
    assert stats["priorities"]["1.0"] == 2
    assert stats["disk_bytes"] > 0


# Other processes

READER = """
import sys
import numpy as np
from replay import Origin, ReplayStore

with ReplayStore(sys.argv[1], readonly=True, map_size=1 << 17) as store:
    for line in sys.stdin:
        drawn = store.draw(np.random.default_rng(0), 10**6, Origin.POLICY)
        print(len(store), store.counts()[Origin.POLICY], len(drawn), len(list(store)), store.progress(), flush=True)
"""

WRITER = """
import sys
import numpy as np
from replay import Origin, ReplayStore, relabel

grid = np.ones((9, 9), np.int8)
with ReplayStore(sys.argv[1], map_size=1 << 17) as store:
    store.put_tasks({"task": [grid]})
    progress = store.progress() or {"meta_iteration": -1, "experiences": 0}
    while True:
        now = progress["meta_iteration"] + 1
        batch = [
            relabel("task", f"O = p{now}_{k}(I)", [grid], [grid], Origin.POLICY, now, now) for k in range(20 + now % 7)
        ]
        progress = {"meta_iteration": now, "experiences": progress["experiences"] + len(batch)}
        store.commit(batch, progress)
        print(now, flush=True)
"""


def start(program: str, path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_a_reader_follows_a_living_writer_through_a_growing_map(path: Path) -> None:
    with ReplayStore(path, capacity=2500, map_size=SMALL_MAP) as store:
        store.put_tasks(TASKS)
        reader = start(READER, path)
        try:
            for number, stored in enumerate((1000, 2000, 2500)):
                store.commit(many(1000, start=1000 * number), {"commit": number})
                print("?", file=reader.stdin, flush=True)
                seen = reader.stdout.readline().strip()
                assert seen == f"{stored} {stored} {stored} {stored} {{'commit': {number}}}"
        finally:
            reader.stdin.close()
            assert reader.wait(30) == 0


def test_a_killed_writer_leaves_whole_commits(path: Path) -> None:
    chance = random.Random(0)
    told = -1
    for _ in range(6):
        writer = start(WRITER, path)
        for _ in range(3):
            told = int(writer.stdout.readline())
        time.sleep(chance.uniform(0, 0.05))
        writer.kill()
        told = max([told, *map(int, writer.stdout.read().split())])
        writer.wait()
        with ReplayStore(path, readonly=True) as store:
            progress = store.progress()
            assert progress["meta_iteration"] in (told, told + 1)
            assert len(store) == progress["experiences"]
            found: dict[int, int] = {}
            for stored in store:
                found[stored.meta_iteration] = found.get(stored.meta_iteration, 0) + 1
            assert found == {i: 20 + i % 7 for i in range(progress["meta_iteration"] + 1)}
            assert store.verify().ok
    with ReplayStore(path) as store:
        assert store.counts()[Origin.POLICY] == store.progress()["experiences"]
