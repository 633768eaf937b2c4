"""`codeit search` on real tasks: what it finds, what is on disk, and going on after anything."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import cli
from engine.commands.options import SearchOptions
from engine.commands.search import search
from engine.errors import UsageError
from engine.execution import digest
from engine.search import effort, ranked
from engine.search.effort import Growth
from engine.search.folder import SearchFolder
from engine.search.ranked import RankedSearch
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import canonical, parse
from interpreter.machine.machine import Machine

FIXTURES = Path(__file__).parents[1] / "fixtures"
# Training tasks that embedded seeds solve, and evaluation tasks that mutants of them match in part.
PARTLY = ["3194b014", "73ccf9c2", "60c09cac", "1a2e2828"]
TASKS = ["67a3c6ac", "68b16354", "74dd1130", "3c9b0459", "ed36ccf7", "a416b8f3", "c8f0f002", "b1948b0a"]


SMALL = Growth(150, 600)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(effort, "RANKED", replace(effort.RANKED, mutants=SMALL, crossings=SMALL))


def run(out, programs=None, method=None, resume=False, **fixed):
    given = {"programs": programs, "method": method, "out": out}
    settings = {} if resume else {"tasks": "arc1-train", "task_ids": TASKS}
    settings |= {name: value for name, value in given.items() if value is not None}
    return search(SearchOptions(resume=resume, workers=2, **settings | fixed))


def rows(out):
    return [json.loads(line) for line in (out / "search.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effort, "RANKED", replace(effort.RANKED, mutants=SMALL, crossings=SMALL))
        out = tmp_path_factory.mktemp("search") / "whole"
        return out, run(out, 1200)


def test_every_row_is_what_its_program_does(found):
    out, summary = found
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    machine = Machine()
    assert len(rows(out)) == summary["matching"] > 10
    for row in rows(out):
        task = tasks[row["task"]]
        assert canonical(row["program"]) == row["program"]
        grids = GridTable.pack([*task.inputs, *task.test_inputs])
        jobs = np.array([(0, k) for k in range(len(grids))], np.int32)
        outputs = list(machine.run(Code.assemble([parse(row["program"])]), grids, jobs).outputs)
        right = [o is not None and np.array_equal(o, target) for o, target in zip(outputs, task.outputs, strict=False)]
        assert right[0]
        assert row["demonstration_performance"] == round(sum(right) / len(right), 4)
        predictions = outputs[len(task.inputs) :]
        assert row["prediction"] == digest(predictions).hex()
        assert row["right"] == (digest(predictions) == digest(task.test_outputs))


def test_the_summary_counts_what_the_rows_say(found):
    out, summary = found
    solved = {row["task"] for row in rows(out) if row["right"] and row["demonstration_performance"] == 1.0}
    assert summary["programs"] == 1200
    assert len(solved) >= 4
    assert summary["solved"]["cumulative"]["distinct"]["pass@3"] <= len(TASKS)
    assert summary["solved"]["cumulative"]["distinct"]["pass@3"] >= len(solved) - 1
    assert json.loads((out / "summary.json").read_text()) == summary
    assert json.loads((out / "curve.jsonl").read_text().splitlines()[-1])["programs"] == 1200


def test_no_program_runs_twice(found):
    out, _ = found
    pairs = [(row["task"], row["program"]) for row in rows(out)]
    assert len(set(pairs)) == len(pairs)
    folder = SearchFolder.open(out)
    keys = folder.keys()
    folder.close()
    assert len(np.unique(keys[:, 0])) == len(keys)


def without_times(out):
    points = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    return [{name: value for name, value in point.items() if name != "seconds"} for point in points]


def test_a_search_in_parts_finds_what_one_in_one_go_finds(found, tmp_path):
    whole, summary = found
    out = tmp_path / "parts"
    assert run(out, 400)["programs"] == 400
    with (out / "search.jsonl").open("a") as lines:
        lines.write('{"number": 401, "task": "cut short by a ki')
    with (out / "keys.i64").open("ab") as file:
        file.write(b"12345")
    second = run(out, 1200, resume=True)
    assert second["solved"] == summary["solved"]
    assert rows(out) == rows(whole)
    assert without_times(out)[-1]["programs"] == 1200
    with pytest.raises(UsageError, match="nothing to resume, 1,200 programs ran already"):
        run(out, 1200, resume=True)


def test_a_search_that_goes_on_does_what_it_was_asked_for(tmp_path):
    """Method and end are the folder's, also after a kill in the first batch; one that is given is another search."""
    out = tmp_path / "s"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RankedSearch, "_batch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(out, 700, method="all")
    assert run(out, resume=True)["programs"] == 700
    with pytest.raises(UsageError, match="nothing to resume, 700 programs ran already"):
        run(out, resume=True)
    assert run(out, 720, resume=True)["programs"] == 720
    assert set(json.loads((out / "progress.json").read_text())["batches"]) == {"all"}
    assert run(out, 800, method="mutate", resume=True)["programs"] == 800


def test_a_search_without_anything_left_ends_whatever_its_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(RankedSearch, "_batch", lambda *_: True)
    monkeypatch.setattr(ranked, "IDLE", 5)
    assert run(tmp_path / "s", 1000, method="all")["programs"] == 0
    assert run(tmp_path / "t", 1000, method="all", runs=1000)["programs"] == 0


def test_a_search_of_tasks_that_changed_is_refused(tmp_path, capsys):
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for task in load_tasks("arc1-train", TASKS[:2]):
        pairs = [{"input": a.tolist(), "output": b.tolist()} for a, b in task.demonstrations]
        content = {"train": pairs, "test": [{"input": task.test_inputs[0].tolist()}]}
        (tasks / f"{task.id}.json").write_text(json.dumps(content))
    out = tmp_path / "s"
    search(SearchOptions(tasks=str(tasks), programs=300, out=out, workers=1))
    (tasks / f"{TASKS[0]}.json").unlink()
    for command in (["search", "--out", str(out), "--resume", "--programs", "400"], ["report", str(out)],
                    ["macros", "--search", str(out)]):  # fmt: skip
        assert cli.main(command) == 2
        assert "tasks were added, changed or removed since" in capsys.readouterr().err


def test_a_search_that_was_killed_between_batches_goes_on_as_if_it_had_not(found, tmp_path, monkeypatch):
    whole, summary = found
    out = tmp_path / "killed"
    commit, commits = SearchFolder.commit, []

    def dying(self, *arguments):
        commit(self, *arguments)
        commits.append(1)
        if len(commits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(SearchFolder, "commit", dying)
    with pytest.raises(KeyboardInterrupt):
        run(out, 1200)
    monkeypatch.setattr(SearchFolder, "commit", commit)
    done = json.loads((out / "progress.json").read_text())["programs"]
    assert 0 < done < 1200
    resumed = run(out, 1200, resume=True)
    assert rows(out) == rows(whole)
    assert without_times(out) == without_times(whole)
    assert resumed["solved"] == summary["solved"]


def test_a_full_disk_is_said_and_loses_nothing(found, tmp_path, monkeypatch):
    whole, _ = found
    out = tmp_path / "full"
    append, calls = SearchFolder.append, []

    def full(self, rows, keys):
        calls.append(1)
        if len(calls) == 3:
            with self.writing():
                (self.path / "search.jsonl").open("a").write('{"half a row')
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, rows, keys)

    monkeypatch.setattr(SearchFolder, "append", full)
    with pytest.raises(UsageError, match=r"No space left on device.*--resume"):
        run(out, 1200)
    monkeypatch.setattr(SearchFolder, "append", append)
    run(out, 1200, resume=True)
    assert rows(out) == rows(whole)


def test_exhaustive_finds_all_that_the_early_exit_finds(found, tmp_path):
    whole, _ = found
    out = tmp_path / "exhaustive"
    run(out, 1200, exhaustive=True)
    early, all_ = ({(row["task"], row["program"]) for row in rows(folder)} for folder in (whole, out))
    assert early < all_


def test_deeper_methods_go_on_from_what_was_found(tmp_path):
    out = tmp_path / "deeper"
    run(out, 600, tasks="arc1-eval", task_ids=PARTLY)
    before = len(rows(out))
    for method, programs in (("remutate", 900), ("recombine", 1200)):
        run(out, programs, method, resume=True)
    later = rows(out)[before:]
    assert {row["method"] for row in later} == {"remutate", "recombine"}
    assert len({(row["task"], row["program"]) for row in rows(out)}) == len(rows(out))
    with pytest.raises(UsageError, match="starts from what a search has found"):
        run(tmp_path / "new", 100, "remutate")


def test_a_search_of_an_earlier_version_goes_on_as_it_would_have_there(tmp_path):
    """`fixtures/search` was written before there was one engine, `fixtures/search-later` when it had gone on there."""
    out = tmp_path / "earlier"
    shutil.copytree(FIXTURES / "search", out)
    for method, programs in (("mutate", 400), ("remutate", 500), ("recombine", 600)):
        run(out, programs, method, resume=True)
    later = FIXTURES / "search-later"
    assert (out / "search.jsonl").read_bytes() == (later / "search.jsonl").read_bytes()
    assert (out / "keys.i64").read_bytes() == (later / "keys.i64").read_bytes()
    assert without_times(out) == without_times(later)


def test_enumeration_solves_what_no_seed_is_near_to(tmp_path, monkeypatch):
    monkeypatch.setattr(effort, "RANKED", replace(effort.RANKED, calls=(20_000,)))
    out, seeds = tmp_path / "out", tmp_path / "seeds.jsonl"
    seeds.write_text(json.dumps({"task": "007bbfb7", "program": "O = lefthalf(I)"}) + "\n")
    assert run(out, 1, seeds=str(seeds))["solved"]["cumulative"]["paper"]["pass@3"] == 0
    summary = run(out, 1000, "enumerate", resume=True)
    assert summary["programs"] < 1000  # it ends when every task had its turn
    assert summary["solved"]["cumulative"]["paper"]["pass@1"] >= 5
    assert {row["program"] for row in rows(out) if row["task"] == "67a3c6ac"} == {"O = vmirror(I)"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "mutat"], "one of mutate"),
        (["--programs", "0"], "--programs: must be at least 1"),
        (["--budget", "-1"], "--budget: must be more than 0"),
        (["--fuel", "100000000"], "--fuel must be at most"),
        (["--rates", "argument=x"], "is no number"),
        (["--rates", "argumnt=1"], "right is NAME=NUMBER"),
        (["--rates", "cut=0"], "at least 0, one of them more"),
        (["--rates", "argument=nan"], "must be numbers of at least 0"),
        (["--rates", "argument=1,new_line=inf"], "new_line is a chance, from 0 to 1"),
        (["--rates", "argument=1,again=1"], "again is a chance below 1"),
        (["--resume"], "--resume needs --out"),
        (["--out", "nowhere", "--resume"], "no search folder"),
        (["--out", "nowhere", "--resume", "--seed", "1"], "--seed cannot change"),
        (["--tasks", "arc3"], "unknown task set"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["search", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_ones_own_tasks_are_found_from_anywhere(tmp_path, monkeypatch, capsys):
    """A search, its report and its evaluation, begun beside a folder of tasks and gone on with inside it."""
    pair = {"input": [[1, 2], [3, 4]], "output": [[2, 1], [4, 3]]}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "flip.json").write_text(json.dumps({"train": [pair], "test": [pair]}))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["search", "--tasks", "mine", "--programs", "20", "--workers", "1", "--out", "s1"]) == 0
    assert json.loads(Path("s1/search.json").read_text())["tasks"] == str(tmp_path.resolve() / "mine")
    assert json.loads(Path("s1/summary.json").read_text())["task_set"] == "mine"
    assert "1 tasks of mine" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "mine")
    assert cli.main(["search", "--out", "../s1", "--resume", "--programs", "40", "--workers", "1"]) == 0
    assert cli.main(["report", "../s1"]) == 0
    assert "on 1 tasks of mine" in Path("../s1/report/index.html").read_text()
    assert cli.main(["eval", "../s1", "--tasks", "."]) == 0
    kept = json.loads(Path("../s1/eval/mine/evaluation.json").read_text())
    assert kept["task_set"] == str(tmp_path.resolve() / "mine")
    assert json.loads(Path("../s1/eval/mine/summary.json").read_text())["task_set"] == "mine"


def test_seeds_may_be_of_the_tasks_of_ones_own_that_are_searched(tmp_path):
    """And of no others: a named set's tasks have none but ARC's training seeds."""
    pair = {"input": [[1, 2], [3, 4]], "output": [[2, 1], [4, 3]]}
    (tmp_path / "mine.json").write_text(json.dumps({"train": [pair], "test": [pair]}))
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(json.dumps({"task": "mine", "program": "O = vmirror(I)"}) + "\n")
    given = {"seeds": str(seeds), "programs": 1, "workers": 1}
    summary = search(SearchOptions(tasks=str(tmp_path / "mine.json"), out=tmp_path / "own", **given))
    assert summary["solved"]["cumulative"]["paper"]["pass@1"] == 1
    seeds.write_text(json.dumps({"task": TASKS[0], "program": "O = vmirror(I)"}) + "\n")
    search(SearchOptions(tasks=str(tmp_path / "mine.json"), out=tmp_path / "other", **given))
    seeds.write_text(json.dumps({"task": PARTLY[0], "program": "O = vmirror(I)"}) + "\n")
    with pytest.raises(UsageError, match="not among"):
        search(SearchOptions(tasks="arc1-eval", task_ids=PARTLY, out=tmp_path / "named", **given))
