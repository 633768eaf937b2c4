"""`codeit search --method compose` and `all`, and `codeit macros`: from nothing, and going on."""

import json
from dataclasses import replace

import pytest

from engine import cli
from engine.commands.options import SearchOptions
from engine.commands.search import search
from engine.errors import UsageError
from engine.ranking import Entry
from engine.search import effort
from engine.search.acceptance import Ranked
from engine.search.composition.composer import Budget
from engine.search.composition.ingredients import Ingredient
from engine.search.demonstrations import Demonstrations
from engine.search.effort import Growth
from engine.search.population import Population
from engine.search.sources import combined
from engine.search.sources.composition import Compose
from engine.search.sources.mutation import Remutate
from engine.search.sources.source import State
from engine.search.workers import Clock, Workers
from engine.seeds.seed import Seed
from engine.tasks import load_tasks
from interpreter.language.program import parse

TASKS = ["67a3c6ac", "68b16354", "74dd1130", "3c9b0459", "ed36ccf7", "a416b8f3", "c8f0f002", "b1948b0a"]
# Two batches of composition a cycle, twice, and small ones of everything else.
TINY = replace(
    effort.RANKED,
    mutants=Growth(150, 600),
    crossings=Growth(150, 600),
    compositions=(Budget(runs=(20_000,), pieces=100, hits=30, near=5, paired=50, stacks=10),) * 2,
    composed_at_once=4,
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(effort, "RANKED", TINY)
    monkeypatch.setattr(combined, "MUTATE", 1)
    monkeypatch.setattr(combined, "RECOMBINE", 1)


def run(out, method, programs=None, **fixed):
    given = {} if programs is None else {"programs": programs}
    settings = {} if fixed.get("resume") else {"tasks": "arc1-train", "task_ids": TASKS}
    return search(SearchOptions(method=method, out=out, workers=2, **given, **settings, **fixed))


def rows(out):
    return [json.loads(line) for line in (out / "search.jsonl").read_text().splitlines()]


def test_composition_starts_from_nothing_and_ends_when_nothing_is_left(tmp_path):
    summary = run(tmp_path / "s", "compose")
    found = rows(tmp_path / "s")
    assert {row["task"] for row in found} <= set(TASKS)
    assert summary["solved"]["cumulative"]["distinct"]["pass@3"] >= 5  # turns, halves and mirrors
    assert summary["runs"] > len(TASKS) * 20_000
    assert len({(row["task"], row["program"]) for row in found}) == len(found)
    again = run(tmp_path / "s", "compose", resume=True)
    assert again["programs"] == summary["programs"]


def test_a_search_ends_after_its_runs_and_does_without_what_is_left_out(tmp_path, capsys):
    few = run(tmp_path / "few", "compose", runs=1)
    assert few["runs"] > 1  # one whole batch: half of the tasks
    assert {row["task"] for row in rows(tmp_path / "few")} <= set(TASKS[:4])
    with pytest.raises(UsageError, match=r"nothing to resume, [\d,]+ runs were made already"):
        run(tmp_path / "few", "compose", runs=1, resume=True)
    bare = run(tmp_path / "bare", "compose", without=("patterns", "depth"))
    assert json.loads((tmp_path / "bare" / "search.json").read_text())["without"] == ["patterns", "depth"]
    assert bare["runs"] < len(TASKS) * 20_000
    nothing = tuple(Ingredient)
    assert run(tmp_path / "none", "compose", without=nothing)["matching"] == 0
    for wrong, said in (
        (["--method", "compose", "--without", "stack"], "--without stack: it is one of mined, patterns"),
        (["--without", "stacks"], "--method mutate has none"),
        (["--method", "compose", "--resume", "--out", "x", "--without", "stacks"], "--without cannot change"),
    ):
        assert cli.main(["search", *wrong]) == 2
        assert said in capsys.readouterr().err


def test_all_methods_take_turns_and_go_on(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(whole, "all", 900)
    counts = json.loads((whole / "progress.json").read_text())["counts"]
    assert counts["composed"] > 0
    assert counts["candidates"] > 0
    first = run(parts, "all", 100)
    assert first["programs"] == 100
    later = run(parts, "all", 700, resume=True)
    assert later["programs"] == 700
    assert len({(row["task"], row["program"]) for row in rows(parts)}) == len(rows(parts))


def test_the_same_search_finds_the_same(tmp_path):
    for name in ("a", "b"):
        run(tmp_path / name, "all", 500)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_a_tasks_own_seeds_are_kept_from_it(tmp_path):
    seeds = tmp_path / "seeds.jsonl"
    program = "x1 = vmirror(I)\nx2 = upscale(x1, THREE)\nx3 = crop(x2, UNITY, TWO_BY_TWO)\nO = hconcat(x3, x1)"
    solver = "x1 = rot270(I)\nx2 = downscale(x1, ONE)\nO = vmirror(x2)"
    seeds.write_text("".join(json.dumps({"task": t, "program": p}) + "\n"
                             for t, p in ((TASKS[0], program), (TASKS[1], solver))))  # fmt: skip
    tasks = {"tasks": "arc1-train", "task_ids": TASKS[1:2]}
    for keep in (False, True):
        out = tmp_path / str(keep)
        search(SearchOptions(method="mutate", programs=2, out=out, seeds=str(seeds), leave_own_out=keep, **tasks))
    assert "downscale" not in (tmp_path / "True" / "search.jsonl").read_text()


def test_what_another_task_found_does_not_lead_back_to_a_tasks_own_seeds():
    """A task's seed matches another task; its mutants and its functions stay there."""
    tasks = load_tasks("arc1-train", TASKS[:3])
    seeds = [Seed(TASKS[2], parse("x1 = hmirror(I)\nx2 = hupscale(x1, THREE)\nO = vconcat(x2, x2)"), "hand")]
    known = {task.id: task for task in tasks}
    for without_own in (False, True):
        with Workers(1, 200_000, 200_000) as workers:
            state = State(tasks, Demonstrations(tasks), Ranked(tasks, False), workers, TINY, 0, Population(TINY.kept),
                          without_own)  # fmt: skip
            state.population.add(0, Entry(seeds[0].program.text, 0.5, b"", 0))
            state.population.add(0, Entry(seeds[0].program.text, 1.0, b"", 1))
            state.population.solve(0, seeds[0].program.text)
            proposal = next(Remutate(state).proposals(0, Clock()))
            owned = set(Compose(state, seeds, known).library().owner.tolist())
        if without_own:
            assert set(proposal.owners.tolist()) == {0}
            assert TASKS[2] in owned
        else:
            assert proposal.owners is None
            assert TASKS[2] not in owned


def test_macros_are_listed_with_what_a_search_adds(tmp_path, capsys):
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(json.dumps({"task": TASKS[0], "program": "O = vmirror(I)"}) + "\n")
    run(tmp_path / "s", "compose", seeds=str(seeds))
    file = tmp_path / "macros.jsonl"
    sources = ["--seeds", str(seeds), "--search", str(tmp_path / "s")]
    assert cli.main(["macros", "--n", "3", *sources, "--out", str(file)]) == 0
    listed = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["saved_lines"] for row in listed] == sorted((row["saved_lines"] for row in listed), reverse=True)
    assert all(row["uses"] >= len(row["tasks"]) >= 1 for row in listed)
    assert any(row["new"] for row in listed)
    capsys.readouterr()
    assert cli.main(["macros", "--new"]) == 2
    assert "it needs --search" in capsys.readouterr().err


def test_macros_of_a_searchs_own_seeds_are_not_new(tmp_path):
    """Nor do the tasks of seeds have to be ARC's."""
    pairs = [{"input": [[1, 2]], "output": [[2, 1]]}]
    (tmp_path / "mine.json").write_text(json.dumps({"train": pairs, "test": pairs}))
    seeds, out = tmp_path / "seeds.jsonl", tmp_path / "search"
    seeds.write_text(json.dumps({"task": "mine", "program": "x1 = rot180(I)\nO = hmirror(x1)"}) + "\n")
    search(SearchOptions(seeds=str(seeds), tasks=str(tmp_path / "mine.json"), programs=100, out=out, workers=1))
    new, known = tmp_path / "new.jsonl", tmp_path / "known.jsonl"
    assert cli.main(["macros", "--search", str(out), "--new", "--out", str(new)]) == 0
    assert cli.main(["macros", "--tasks", str(tmp_path / "mine.json"), "--seeds", str(seeds), "--out", str(known)]) == 0
    patterns = [{json.loads(line)["pattern"] for line in file.read_text().splitlines()} for file in (new, known)]
    assert "x1 = rot180(I)\nO = hmirror(x1)" in patterns[1]
    assert not patterns[0] & patterns[1]
