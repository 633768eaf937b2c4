"""`codeit replay top | show | verify | export`: what a store holds can be looked at without its run."""

import json

import lmdb
import numpy as np
import pyarrow.parquet
import pytest

from engine.cli import main
from replay.experience import Origin, ReplayError, experience_key, relabel
from replay.store import ReplayStore

GRIDS = [np.random.default_rng(k).integers(0, 9, (2, 3)).astype(np.int8) for k in range(3)]
TASK = "<b>/..[red]"
FLIP, SAME = "O = hmirror(I)", "O = identity(I)"


@pytest.fixture
def run(tmp_path):
    """A run's folder with a store of three experiences of two tasks."""
    with ReplayStore(tmp_path / "replay") as store:
        store.put_tasks({TASK: GRIDS[:2], "other": GRIDS[2:]})
        flipped = [grid[::-1] for grid in GRIDS]
        store.commit([relabel(TASK, SAME, [GRIDS[0], None], flipped[:2], Origin.MUTATED, 0, 0)], None)
        store.commit([relabel(TASK, FLIP, flipped[:2], flipped[:2], Origin.POLICY, 1, 1)], None)
        store.commit([relabel("other", FLIP, flipped[2:], flipped[2:], Origin.MUTATED, 2, 2)], None)
    return tmp_path


def replay(capsys, *arguments, status=0):
    assert main(["replay", *map(str, arguments)]) == status
    return capsys.readouterr().out


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_top_is_by_priority(run, capsys):
    rows = lines(replay(capsys, "top", run, "--json"))
    assert [(row["program"], row["priority"]) for row in rows] == [(FLIP, 1.0), (FLIP, 1.0), (SAME, 0.0)]
    assert [row["task"] for row in lines(replay(capsys, "top", run, "--json", "--n", "1"))] == [TASK]
    assert [row["task"] for row in lines(replay(capsys, "top", run, "--json", "--origin", "mutated"))] == [
        "other",
        TASK,
    ]
    table = replay(capsys, "top", run)
    assert "O = hmirror(I)" in table
    assert TASK in table  # markup in it is text


def test_show_takes_a_task_or_the_beginning_of_a_key(run, capsys):
    rows = lines(replay(capsys, "show", run, TASK, "--json"))
    assert {row["program"] for row in rows} == {FLIP, SAME}
    (row,) = (row for row in rows if row["program"] == SAME)
    assert row["pairs"] == [0]
    assert row["outputs"] == [GRIDS[0].tolist()]
    assert lines(replay(capsys, "show", run, row["key"][:10], "--json")) == [row]
    assert row in lines(replay(capsys, "show", run, row["key"][:1], "--json"))
    text = replay(capsys, "show", run, row["key"])
    assert "found by mutated in meta-iteration 0" in text
    assert "O = identity(I)" in text
    assert "".join("." if cell == 0 else str(cell) for cell in GRIDS[0].tolist()[1]) in text
    replay(capsys, "show", run, "nowhere", status=2)


def test_a_damaged_store_is_told(run, capsys):
    assert replay(capsys, "verify", run).endswith("2 tasks, 3 experiences: nothing is wrong\n")
    key = experience_key(TASK, SAME)
    with lmdb.open(str(run / "replay"), max_dbs=6) as environment:
        database = environment.open_db(b"blocks", create=False)
        with environment.begin(write=True) as txn:
            for number, block in list(txn.cursor(database)):
                txn.put(number, block.replace(SAME.encode(), SAME.replace("(", "[").encode()), db=database)
    report = json.loads(replay(capsys, "verify", run, "--json", status=1))
    assert (report["experiences"], len(report["problems"])) == (3, 1)
    assert key.hex() in report["problems"][0]


def test_a_program_that_is_no_text_is_told_before_it_is_learned_from(run):
    with lmdb.open(str(run / "replay"), max_dbs=6) as environment:
        database = environment.open_db(b"blocks", create=False)
        with environment.begin(write=True) as txn:
            for number, block in list(txn.cursor(database)):
                txn.put(number, block.replace(SAME.encode(), b"\xff" + SAME[1:].encode()), db=database)
    with ReplayStore(run / "replay", readonly=True) as store:
        rows = store.draw_rows(np.random.default_rng(0), 3, Origin.MUTATED)
        with pytest.raises(ReplayError, match=f"experience {experience_key(TASK, SAME).hex()}: the record is damaged"):
            rows.programs()


def test_an_export_has_everything_in_order_of_discovery(run, capsys):
    replay(capsys, "export", run, "--out", run / "all.jsonl")
    rows = lines((run / "all.jsonl").read_text())
    assert [(row["task"], row["program"], row["finders"]) for row in rows] == [
        (TASK, SAME, {"mutated": 0}), (TASK, FLIP, {"policy": 1}), ("other", FLIP, {"mutated": 2}),
    ]  # fmt: skip
    replay(capsys, "export", run, "--out", run / "all.parquet")
    table = pyarrow.parquet.read_table(run / "all.parquet").to_pylist()
    assert [{**row, "finders": dict(row["finders"])} for row in table] == rows
    replay(capsys, "export", run, "--out", run / "some.jsonl", "--task", "other")
    assert lines((run / "some.jsonl").read_text()) == rows[2:]
    replay(capsys, "export", run, "--out", run / "all.jsonl", status=2)
    replay(capsys, "export", run, "--out", run / "all.csv", status=2)


def test_an_export_is_a_source_of_an_evaluation(run, tmp_path, capsys):
    replay(capsys, "export", run, "--out", run / "all.jsonl")
    pair = {"input": GRIDS[2].tolist(), "output": GRIDS[2][::-1].tolist()}
    (tmp_path / "other.json").write_text(json.dumps({"train": [pair], "test": [pair]}))
    out = str(tmp_path / "out")
    assert main(["eval", str(run / "all.jsonl"), "--tasks", str(tmp_path / "other.json"), "--out", out]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["solved"]["cumulative"]["paper"]["pass@1"] == 1
    assert summary["sources"][0]["left_out"] == {"for other tasks": 2}
