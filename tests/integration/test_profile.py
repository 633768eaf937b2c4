"""`codeit profile`: the account of a run is complete, and running with it changes nothing."""

import json
from collections import Counter

import numpy as np
import pytest

from engine.cli import main
from engine.commands.profile import module_of
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine.machine import Machine
from interpreter.machine.profile import ProfiledMachine

NESTED = """
x1 = interval(ZERO, FIVE, ONE)
x2 = compose(increment, increment)
x3 = apply(x2, x1)
x4 = lbind(apply, double)
x5 = initset(x3)
x6 = mapply(x4, x5)
x7 = size(x6)
O = canvas(x7, TWO_BY_TWO)"""


@pytest.fixture(scope="module")
def machine():
    return ProfiledMachine()


def test_profiled_runs_give_what_other_runs_give(machine):
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, tasks)
    inputs = [grid for seed in seeds for grid in tasks[seed.task].inputs]
    owners = [k for k, seed in enumerate(seeds) for _ in tasks[seed.task].inputs]
    jobs = np.stack([np.array(owners), np.arange(len(inputs))], axis=1).astype(np.int32)
    code, grids = Code.assemble([seed.program for seed in seeds]), GridTable.pack(inputs)
    runs, tree = machine.profile(code, grids, jobs)
    for ours, theirs in zip(runs.arrays(), Machine().run(code, grids, jobs).arrays(), strict=True):
        assert np.array_equal(ours, theirs)
    assert tree.calls == len(jobs)
    assert tree.fuel == runs.fuel.sum()
    for node, _ in tree.walk():
        assert min(node.own("seconds"), node.own("fuel"), node.own("words")) >= -1e-12
        assert node.calls > 0


def test_calls_are_counted_where_they_are_made(machine):
    _, tree = machine.profile(
        Code.assemble([parse(NESTED)]), GridTable.pack([np.zeros((1, 1), np.int8)]), np.zeros((3, 2), np.int32)
    )
    calls = {(*above, node.name): node.calls for node, above in tree.walk()}
    assert calls == {
        ("interval",): 3, ("compose",): 3, ("apply",): 3, ("apply", "increment"): 30, ("lbind",): 3, ("initset",): 3,
        ("mapply",): 3, ("mapply", "apply"): 3, ("mapply", "apply", "double"): 15, ("size",): 3, ("canvas",): 3,
    }  # fmt: skip
    assert tree.words == sum(node.own("words") for node, _ in tree.walk())


def test_a_file_is_profiled_and_bad_lines_are_left_out(tmp_path, capsys):
    grid = [[1, 2], [3, 4]]
    rows = [
        {"program": NESTED.strip(), "inputs": [grid, grid]},
        {"program": "O = fil(I, I, I)", "inputs": [grid]},
        {"task": "67a3c6ac", "program": "O = vmirror(I)"},
        {"task": "nowhere", "program": "O = vmirror(I)"},
        {"program": "O = divide(ONE, ZERO)", "inputs": [grid]},
    ]
    file = tmp_path / "programs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\nno JSON\n")
    out = tmp_path / "out"
    assert main(["profile", str(file), "--out", str(out), "--repeats", "3"]) == 0
    result = json.loads((out / "profile.json").read_text())

    by_line = {row["line"]: row for row in result["programs"]}
    assert by_line.keys() == {1, 3, 5}
    assert by_line[3]["task"] == "67a3c6ac"
    assert by_line[1]["outcomes"] == {"ok": 2}
    assert by_line[5]["outcomes"] == {"zero_division": 1}
    assert [error.split(":")[0] for error in result["errors"]] == ["line 2", "line 4", "line 6"]
    assert result["runs"] == sum(row["runs"] for row in result["programs"])

    primitives = {row["name"]: row for row in result["primitives"]}
    assert primitives["increment"]["calls"] == 2 * 10 * 3
    for measure in ("seconds", "fuel", "words"):
        own = sum(row[f"own_{measure}"] for row in result["primitives"])
        assert own == pytest.approx(sum(child[measure] for child in result["tree"]["children"]))
    errors = capsys.readouterr().err
    assert "did you mean 'fill'" in errors
    assert "profile.speedscope.json" in errors

    graphs = json.loads((out / "profile.speedscope.json").read_text())
    names = [frame["name"] for frame in graphs["shared"]["frames"]]
    for profile, (measure, scale) in zip(graphs["profiles"], (("seconds", 1), ("fuel", 1), ("words", 8)), strict=True):
        assert sum(profile["weights"]) == profile["endValue"]
        own = Counter()
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
            assert names[sample[0]] == "all"
            own[names[sample[-1]]] += weight
        for name, row in primitives.items():
            assert own[name] == pytest.approx(scale * row[f"own_{measure}"], abs=1e-9)

    assert main(["profile", str(file), "--out", str(out)]) == 2
    assert "holds a profile already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "no such file"),
        (["bad.jsonl"], "no line with a program to run; line 1: not JSON"),
        (["bad.jsonl", "--repeats", "0"], "--repeats: must be at least 1"),
        (["bad.jsonl", "--fuel", "-1"], "--fuel: must be at least 1"),
        (["good.jsonl", "--out", "bad.jsonl/profile"], "bad.jsonl/profile"),
    ],
)
def test_mistakes_are_told(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_text("nothing\n")
    (tmp_path / "good.jsonl").write_text('{"task": "007bbfb7", "program": "O = hmirror(I)"}\n')
    monkeypatch.setattr("engine.commands.profile.profile_work", None)  # what is wrong is said before
    assert main(["profile", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "bad-profile").exists()


def test_a_profile_reads_what_exec_reads(tmp_path):
    """A byte order mark and Python functions, in lines with inputs and in those with a task."""
    source = "def solve(I):\n    O = vmirror(I)\n    return O"
    rows = [{"program": source, "task": "67a3c6ac"}, {"program": source, "inputs": [[[1, 2]]]}, {"task": "67a3c6ac"}]
    file, out = tmp_path / "programs.jsonl", tmp_path / "out"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "[" * 100_000 + "\n", encoding="utf-8-sig")
    assert main(["profile", str(file), "--out", str(out), "--repeats", "1"]) == 0
    found = sorted((row["line"], row["program"]) for row in profiled(out)["programs"])
    assert found == [(1, "O = vmirror(I)"), (2, "O = vmirror(I)")]
    assert [error.split(":")[0] for error in profiled(out)["errors"]] == ["line 3", "line 4"]


def test_every_primitive_has_a_module():
    assert module_of("objects") == "objects"
    assert module_of("fill") == "painting"


def profiled(out):
    return json.loads((out / "profile.json").read_text())


def test_a_search_an_evaluation_and_a_task_set_are_profiled(tmp_path):
    """What is profiled of a folder are its programs on its tasks; no more of them than are asked for."""
    search, evaluation = tmp_path / "search", tmp_path / "evaluation"
    arguments = ["--tasks", "arc1-train", "--limit", "20", "--programs", "300", "--out", str(search)]
    assert main(["search", *arguments]) == 0
    assert main(["eval", str(search), "--out", str(evaluation)]) == 0
    found = {(row["task"], row["program"]) for row in map(json.loads, (search / "search.jsonl").open())}
    for folder in (search, evaluation):
        out = tmp_path / f"{folder.name}-profile"
        assert main(["profile", str(folder), "--out", str(out), "--programs", "5", "--repeats", "1"]) == 0
        rows = profiled(out)["programs"]
        assert len(rows) == min(5, len(found))
        assert {(row["task"], row["program"]) for row in rows} <= found
    out = tmp_path / "tasks-profile"
    assert main(["profile", "arc1-train", "--out", str(out), "--repeats", "1"]) == 0
    assert len({row["task"] for row in profiled(out)["programs"]}) > 100


def test_seeds_of_no_task_of_a_set_run_on_some_of_its_tasks(tmp_path):
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    (tmp_path / "mine.json").write_text(json.dumps({"train": [pair], "test": [{"input": [[3, 4]]}]}))
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(json.dumps({"task": "67a3c6ac", "program": "O = vmirror(I)"}) + "\n")
    out = tmp_path / "out"
    options = ["--seeds", str(seeds), "--out", str(out), "--repeats", "1"]
    assert main(["profile", str(tmp_path / "mine.json"), *options]) == 0
    (row,) = profiled(out)["programs"]
    assert (row["program"], row["runs"], "task" in row) == ("O = vmirror(I)", 2, False)


def test_two_profiles_are_compared(tmp_path, capsys):
    grid = [[1, 2], [3, 4]]
    flip, both = "O = vmirror(I)", "x1 = vmirror(I)\nO = rot90(x1)"
    for name, programs in (("a", [flip, both]), ("b", [flip])):
        rows = [{"program": program, "inputs": [grid]} for program in programs]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert main(["profile", str(tmp_path / f"{name}.jsonl"), "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["profile", "--compare", *folders, "--out", str(tmp_path / "both")]) == 0
    result = json.loads((tmp_path / "both" / "comparison.json").read_text())
    rows = {row["name"]: row for row in result["primitives"]}
    assert rows["vmirror"]["calls_per_run"] == [1, 1]
    assert rows["rot90"]["calls_per_run"] == [0.5, 0]
    assert (rows["rot90"]["ratio"], rows["rot90"]["ns_per_call"][1]) == (None, None)
    first, second = rows["vmirror"]["ns_per_call"]
    assert rows["vmirror"]["ratio"] == pytest.approx(second / first)
    assert [(row["program"], row["task"]) for row in result["programs"]] == [(flip, None)]
    assert result["alone"] == [1, 0]
    assert sum(row["share"][0] for row in result["primitives"]) == pytest.approx(1)
    shown = capsys.readouterr().err
    assert "ns/call A" in shown
    assert "1 in A alone" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare", "a"], "--compare takes two profiles, not 1"),
        (["a", "b"], "one WHAT at a time"),
        (["--compare", "x.json", "x.json"], "x.json is no profile: right is a folder that `codeit profile` wrote"),
        (["--compare", "a", "b"], "cannot read a: No such file"),
    ],
)
def test_mistakes_of_a_comparison_are_told(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    assert main(["profile", *arguments]) == 2
    assert message in capsys.readouterr().err
