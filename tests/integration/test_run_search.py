"""Search inside a run, tiny and in this process: what it leaves, that it goes on, and what it never looks at."""

import contextlib
import json
import shutil
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from engine.cli import main
from engine.config import load_config
from engine.loop.metrics import COLUMNS
from engine.loop.searching import Searching
from engine.progress import Display
from engine.run_folder import RunFolder
from engine.search import effort
from engine.search.composition import library
from engine.search.composition.composer import Budget
from engine.search.composition.patterns import patterns
from engine.search.effort import Growth
from engine.search.folder import SearchFolder
from engine.search.limits import Spent
from engine.search.sources import combined
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.language.program import parse
from replay.experience import Origin
from replay.store import ReplayStore
from report.sources.run import read_run

TASKS = ["67a3c6ac", "68b16354", "74dd1130", "a416b8f3"]  # a mirror, a mirror, a diagonal, two beside each other
TINY = [
    "--preset", "smoke", "--trainer.policy", "compact-tiny", "--sampler.backend", "transformers",
    "--sampler.n-samples", "4", "--fill.mutants", "300", "--replay.draw-mutated", "30", "--replay.draw-policy", "10",
    "--replay.draw-search", "10", "--trainer.max-prompt-tokens", "320", "--sampler.max-tokens", "48",
    "--loop.meta-iterations", "2", "--loop.threads", "1", "--interpreter.workers", "1", "--seeds.limit", "20",
    "--search.leave-own-out", "true", "--search.runs", "84000",
]  # fmt: skip
# What does not depend on the time that something took.
COMPARED = [name for name in COLUMNS if not name.endswith("_s") and not name.startswith(("busy_", "seconds"))]


@pytest.fixture(autouse=True, scope="module")
def tiny():
    small = Growth(150, 600)
    budget = Budget(runs=(8_000,), pieces=100, hits=30, near=5, paired=50, stacks=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effort, "RANKED", replace(
            effort.RANKED, mutants=small, crossings=small, compositions=(budget,) * 2, composed_at_once=2,
        ))  # fmt: skip
        patch.setattr(library, "patterns", lambda: islice(patterns(), 1200))  # all take all runs for one batch
        patch.setattr(combined, "MUTATE", 2)
        patch.setattr(combined, "RECOMBINE", 2)
        yield


def write_tasks(folder, test_output=None):
    """Training tasks as a folder of files, on which the run searches; with another test output, if one is given."""
    folder.mkdir()
    for task in load_tasks("arc1-train", TASKS):
        tests = task.test_outputs if test_output is None else [test_output] * len(task.test_outputs)
        train = [{"input": a.tolist(), "output": b.tolist()} for a, b in task.demonstrations]
        test = [
            {"input": a.tolist(), "output": np.asarray(b).tolist()}
            for a, b in zip(task.test_inputs, tests, strict=True)
        ]
        (folder / f"{task.id}.json").write_text(json.dumps({"train": train, "test": test}))
    return folder


def start(folder, tasks, *options):
    assert main(["run", *TINY, "--tasks.search", str(tasks), "--run-dir", str(folder), *options]) == 0
    return folder


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def metrics(folder):
    return rows(folder / "metrics.jsonl")


def stored(folder):
    with ReplayStore(folder / "replay", readonly=True) as store:
        return list(store.in_order())


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks") / "mine")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tasks):
    return start(tmp_path_factory.mktemp("runs") / "whole", tasks)


def test_what_search_finds_is_learned_from(finished, tmp_path, tasks):
    found = [experience for experience in stored(finished) if experience.origin is Origin.SEARCH]
    assert {experience.task for experience in found} <= set(TASKS)
    assert {experience.meta_iteration for experience in found} == {1, 2}
    assert all(experience.finders[Origin.SEARCH] == experience.meta_iteration for experience in found)
    assert any(experience.priority == 1.0 for experience in found)
    first, second = metrics(finished)
    assert second["replay_search"] == len(found) > first["replay_search"] > 10
    without = start(tmp_path / "without", tasks, "--replay.draw-search", "0")
    assert [row["examples"] for row in metrics(without)] == [first["examples"], second["examples"] - 10]


def test_scores_are_kept_apart(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary["solved"]) == {"policy", "cumulative"}
    solved = summary["search"]["solved"]
    assert solved["both"] == summary["solved"]["cumulative"]
    assert solved["search"]["paper"]["pass@3"] >= 2
    last, kept = metrics(finished)[-1], rows(finished / "solved.jsonl")[-1]
    assert list(last) == list(COLUMNS)
    assert "search" in last["phase_s"]
    for column, board in (("search", "search"), ("samples", "samples"), ("cumulative", "cumulative")):
        assert last[f"solved_{column}"] == len(kept[board]["paper"])
    assert (last["solved_search"], last["solved_samples"]) == tuple(
        solved[board]["paper"]["pass@3"] for board in ("search", "policy")
    )
    alone = {name: set(kept[name]["paper"]) for name in ("search", "samples")}
    assert summary["search"]["only"]["paper"] == {
        "search": len(alone["search"] - alone["samples"]), "policy": len(alone["samples"] - alone["search"]),
    }  # fmt: skip
    assert summary["search"]["runs"] == last["search_runs"] >= 168_000
    assert {row["origin"] for row in rows(finished / "solutions.jsonl")} >= {"search"}


def test_report_and_evaluation_say_who_found_what(finished, tmp_path):
    summary = json.loads((finished / "summary.json").read_text())
    source = read_run(finished)
    origins = {attempt.origin for result in source.results.values() for attempt in result.attempts["paper"]}
    assert "search" in origins
    page = (finished / "report" / "index.html").read_text()
    assert "search alone, so far" in page  # a curve
    assert "search alone, all so far" in page  # a board
    assert main(["eval", str(finished), "--stored", "--out", str(tmp_path / "eval")]) == 0
    evaluated = json.loads((tmp_path / "eval" / "summary.json").read_text())
    assert evaluated["solved"]["cumulative"] == summary["solved"]["cumulative"]
    assert evaluated["origins"]["search"] == summary["search"]["solved"]["search"]
    assert main(["analyse", "refinement", str(finished), "--json"]) == 0


def dies(patch, kind, name, number, after):
    """Let the call with that number of a method end the process, so to speak, after its work or before it."""
    method, calls = getattr(kind, name), []

    def dying(self, *arguments):
        calls.append(1)
        if len(calls) == number and not after:
            raise KeyboardInterrupt
        result = method(self, *arguments)
        if len(calls) == number:
            raise KeyboardInterrupt
        return result

    patch.setattr(kind, name, dying)


@pytest.mark.parametrize(
    ("kind", "name", "number", "after"),
    [
        (SearchFolder, "commit", 1, True),  # the policy's programs were given, nothing is searched
        (SearchFolder, "append", 4, True),  # rows are written that do not count yet
        (RunFolder, "append_solution", 1, False),  # search is ahead of the progress record
        (SearchFolder, "commit", 6, True),  # in the second meta-iteration
        (SearchFolder, "commit", 14, True),  # after parents were found that are no mutants themselves
    ],
)
def test_a_run_that_is_killed_anywhere_in_its_search_goes_on_as_if_it_had_not(
    finished, tasks, tmp_path, monkeypatch, kind, name, number, after
):
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        dies(patch, kind, name, number, after)
        main(["run", *TINY, "--tasks.search", str(tasks), "--run-dir", str(folder)])
    assert len(metrics(folder)) < 2
    assert main(["run", "--resume", "--run-dir", str(folder)]) == 0
    ours, theirs = ([[row[name] for name in COMPARED] for row in metrics(each)] for each in (folder, finished))
    assert ours == theirs
    for file in ("search.jsonl", "keys.i64"):
        assert (folder / "search" / file).read_bytes() == (finished / "search" / file).read_bytes()
    assert stored(folder) == stored(finished)
    assert rows(folder / "solutions.jsonl") == rows(finished / "solutions.jsonl")
    assert rows(folder / "solved.jsonl") == rows(finished / "solved.jsonl")


def test_test_outputs_change_nothing_but_scores(finished, tmp_path):
    scrambled = write_tasks(tmp_path / "mine", [[7, 7], [7, 7]])
    folder = start(tmp_path / "run", scrambled)
    assert json.loads((folder / "summary.json").read_text())["solved"]["cumulative"]["paper"]["pass@3"] == 0
    assert metrics(finished)[-1]["solved_cumulative"] > 0
    assert stored(folder) == stored(finished)
    for file in ("search/search.jsonl", "search/keys.i64", "solutions.jsonl"):
        assert (folder / file).read_bytes() == (finished / file).read_bytes()


def test_a_run_without_its_search_is_not_resumed(finished, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "search")
    assert main(["run", "--resume", "--run-dir", str(folder), "--loop.meta-iterations", "3"]) == 2
    assert "search/ is missing, what search has found and tried so far" in capsys.readouterr().err


# ------------------------------------------------------------------------------- policy and search together


@pytest.fixture
def searching(tmp_path, tasks):
    """Opens the search of a run, as often as it is called."""
    options = [*TINY[2:], "--tasks.search", str(tasks)]
    config = load_config("smoke", None, options)
    seeded = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, seeded, 20)
    folder = RunFolder.create(tmp_path / "run", config, [])

    @contextlib.contextmanager
    def opened():
        with Display() as display, Searching(config, folder, load_tasks(str(tasks)), seeded, seeds, display) as search:
            yield search

    yield opened
    folder.close()


def ignore(*_):
    pass


def test_near_misses_of_the_policy_are_parents_of_what_search_tries(searching, tmp_path):
    program = parse("O = vmirror(I)")
    with searching() as search:
        found = search.step(1, Spent(), [("67a3c6ac", program), ("74dd1130", program)], ignore)
    (row,) = [row for row in rows(tmp_path / "run" / "search" / "search.jsonl") if row["method"] == "policy"]
    assert (row["task"], row["program"], row["demonstration_performance"]) == ("67a3c6ac", program.text, 1.0)
    assert row["right"] is None
    assert ("67a3c6ac", program) not in found  # it is the policy's
    assert found == sorted(found, key=lambda work: (work[0], work[1].text))


def test_what_the_policy_wrote_is_given_once(searching, tmp_path):
    given = [("67a3c6ac", parse("O = vmirror(I)"))]
    later = [("68b16354", parse("x1 = rot90(I)\nx2 = rot90(x1)\nx3 = identity(x2)\nO = vmirror(x3)"))]
    with searching() as search:
        first = search.step(1, Spent(), given, ignore)
        spent = search.spent
    with searching() as search:  # as after a kill before the meta-iteration was complete
        assert search.step(1, Spent(), given, ignore) == first
        assert search.spent.runs == spent.runs
        assert search.step(2, spent, later, ignore)
    found = [row["task"] for row in rows(tmp_path / "run" / "search" / "search.jsonl") if row["method"] == "policy"]
    assert found == ["67a3c6ac", "68b16354"]
