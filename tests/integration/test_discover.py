"""`codeit seeds discover`: real tasks, killed and resumed; mutants of what was found; easy tasks are found again."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.cli import main
from engine.progress import Display
from engine.search.journal import Journal
from engine.search.seed_search import SeedSearch
from engine.search.workers import Clock, Workers
from engine.tasks import Task, load_tasks
from engine.verification import try_programs
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine.machine import Machine

ROOT = Path(__file__).parents[2]
EASY = "68b16354,a416b8f3,ed36ccf7"  # hmirror, hconcat, rot270
EASY_TEN = [
    "68b16354", "be94b721", "6d0aefbc", "4258a5f9", "7468f01a", "0520fde7", "c1d99e64", "44d8ac46", "1f85a75f",
    "2dee498d",
]  # fmt: skip
ARGUMENTS = ["seeds", "discover", "--task-ids", EASY, "--budget", "0.5"]


def rows(file):
    return [json.loads(row) for row in file.read_text().splitlines()]


def test_killed_in_the_middle_and_resumed(tmp_path, capsys):
    out = tmp_path / "seeds.jsonl"
    command = [sys.executable, "-m", "engine.cli", *ARGUMENTS, "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (out.exists() and out.stat().st_size):
        time.sleep(0.01)
    process.kill()
    process.wait()
    first = rows(out)[0]
    out.write_text(json.dumps(first) + '\n{"task": "a416')  # as if it was killed within the second row
    assert main([*ARGUMENTS, "--out", str(out), "--resume"]) == 0
    found = rows(out)
    assert found[0] == first
    assert sorted(row["task"] for row in found) == EASY.split(",")
    assert {row["origin"] for row in found} == {"search"}
    tasks = {task.id: task for task in load_tasks("arc1-train", EASY.split(","))}
    trials = try_programs([(tasks[row["task"]], parse(row["program"])) for row in found], Machine())
    assert all(trial.solves for trial in trials)
    assert "3 of 3 tasks solved" in capsys.readouterr().out
    assert main(["seeds", "check", "--seeds", str(out)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "0"], "--budget: must be more than 0 minutes"),
        (["--seed", "-1"], "--seed: must be at least 0"),
        (["--workers", "0"], "--workers: must be at least 1"),
        (["--task-ids", "zzz"], "task 'zzz' is not in arc1-train"),
        (["--resume"], "discovered.jsonl: no discovery to resume"),
        (["--out", "nowhere/seeds.jsonl"], "nowhere: no such folder"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["seeds", "discover", "--limit", "1", *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def made_task(id_, text):
    """A task of random grids that a program solves."""
    generator = np.random.default_rng(0)
    grids = tuple(generator.integers(0, 4, (6, 6)).astype(np.int8) for _ in range(4))
    jobs = np.array([(0, k) for k in range(4)], np.int32)
    outputs = tuple(Machine().run(Code.assemble([parse(text)]), GridTable.pack(grids), jobs).outputs)
    return Task(id_, grids[:3], outputs[:3], grids[3:], outputs[3:])


def recombined(tmp_path, name, workers):
    """Two rounds of mutants for a task that is a change away from what another's program does, and a hopeless one."""
    known = "x1 = ofcolor(I, ONE)\nx2 = shift(x1, DOWN)\nx3 = fill(I, SEVEN, x2)\nO = hconcat(x3, I)"
    tasks = [
        made_task("known", known),
        made_task("near", known.replace("SEVEN", "EIGHT")),
        made_task("far", "x1 = canvas(NINE, TWO_BY_TWO)\nO = hconcat(x1, x1)"),
    ]
    out = tmp_path / name
    with Journal(out, {}, resume=False) as journal:
        journal.solved("known", parse(known))
    with Journal(out, {}, resume=True) as journal, Workers(workers, 200_000) as threads, Display() as display:
        search = SeedSearch(tasks, journal, 0, threads, display)
        runs = [search.round(Clock()) for _ in range(2)]
    return {row["task"]: row["program"] for row in rows(out)}, runs


def test_mutants_of_what_was_found_solve_its_neighbours_in_any_number_of_threads(tmp_path):
    found, runs = recombined(tmp_path, "one.jsonl", 1)
    assert "near" in found
    again, others = recombined(tmp_path, "two.jsonl", 2)
    assert again == found
    assert runs == others
    assert min(runs) > 0


def test_what_solves_one_task_is_composed_for_others_and_a_stopped_discovery_composes_the_rest(tmp_path):
    """The second task does to a half what the first does to the whole; the third has outputs by chance."""
    known = "x1 = replace(I, ONE, SEVEN)\nx2 = asobject(x1)\nx3 = shift(x2, DOWN)\nO = paint(x1, x3)"
    task = made_task("known", known)
    composed = made_task("composed", f"x9 = tophalf(I)\n{known.replace('(I,', '(x9,')}")
    generator = np.random.default_rng(1)
    by_chance = tuple(generator.integers(0, 9, (6, 6)).astype(np.int8) for _ in task.outputs)
    tasks = [task, composed, replace(task, id="chance", outputs=by_chance)]
    out = tmp_path / "seeds.jsonl"
    with Journal(out, {}, resume=False) as journal:
        journal.solved("known", parse(known))
    for solved in (2, 2):
        with Journal(out, {}, resume=True) as journal, Workers(2, 200_000) as threads, Display() as display:
            search = SeedSearch(tasks, journal, 0, threads, display)
            assert search.compose(0, Clock()) == (search.composed > journal.found.composed)
            assert search.composed == 1
            assert search.solved == solved
    assert [row["task"] for row in rows(out)] == ["known", "composed"]
    assert [row for row in rows(out.with_suffix(".progress.jsonl")) if "composed" in row] == [{"composed": 0}]


def test_files_of_an_earlier_version_are_gone_on_from(tmp_path):
    """`fixtures/seeds.jsonl` was written before there was one engine, which then found the program below."""
    for name in ("seeds.jsonl", "seeds.progress.jsonl"):
        shutil.copy(ROOT / "tests/fixtures" / name, tmp_path / name)
    out = tmp_path / "seeds.jsonl"
    before = rows(out)
    tasks = load_tasks("arc1-train", ["9dfd6313", "a416b8f3", "23b5c85d", "3aa6fb7a"])
    header = {"tasks": "arc1-train", "seed": 0}
    with Journal(out, header, resume=True) as journal, Workers(2, 200_000) as workers, Display() as display:
        search = SeedSearch(tasks, journal, 0, workers, display)
        assert (search.solved, search.rounds) == (2, 2)
        assert not search.enumerate(0, "the calls that were tried", Clock())
        assert search.enumerate(1, "more calls", Clock())
    assert rows(out)[:2] == before
    found = {row["task"]: row["program"] for row in rows(out)[2:]}
    assert found["23b5c85d"] == "x1 = objects(I, T, F, F)\nx2 = argmin(x1, size)\nO = subgrid(x2, I)"
    assert set(found) == {"23b5c85d", "3aa6fb7a"}


@pytest.mark.slow
def test_easy_training_tasks_are_found_again(tmp_path):
    tasks = load_tasks("arc1-train", EASY_TEN)
    with Journal(tmp_path / "seeds.jsonl", {}, resume=False) as journal, Workers(2, 200_000) as workers:
        search = SeedSearch(tasks, journal, 0, workers, Display())
        for number in range(2):  # up to 200,000 calls a task
            search.enumerate(number, "calls", Clock())
    found = {row["task"]: parse(row["program"]) for row in rows(tmp_path / "seeds.jsonl")}
    assert set(found) == set(EASY_TEN)
    assert all(trial.solves for trial in try_programs([(task, found[task.id]) for task in tasks], Machine()))
