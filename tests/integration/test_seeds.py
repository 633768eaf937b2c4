"""`codeit seeds`: programs of several kinds imported, checked and taken by `run`'s options."""

import json
from dataclasses import fields

import pytest

from engine.cli import main
from engine.config import load_config
from engine.seeds.check import SeedCheck
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.primitives import PRIMITIVES

PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
SOLVERS = """
def solve_flip(I):
    O = vmirror(I)
    return O

def solve_flip(I):
    x1 = hmirror(I)
    O = vmirror(I)
    return O

def solve_flip(I):
    O = rot180(grid=hmirror(vmirror(rot180(I))))
    return O

def solve_flip(I):
    O = hmirror(I)
    return O

def solve_flip(I):
    O = canvas(I, I)
    return O

def solve_flip(I):
    O = open(I)
    return O

def solve_other(I):
    O = hmirror(I)
    return O
"""


@pytest.fixture
def flips(tmp_path):
    """A task set of one task, which `vmirror` solves."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "flip.json").write_text(json.dumps({"train": [PAIR, PAIR], "test": [PAIR]}))
    return str(folder)


@pytest.fixture
def solvers(tmp_path):
    file = tmp_path / "solvers.py"
    file.write_text(SOLVERS)
    return file


def rows(file):
    return [json.loads(row) for row in file.read_text().splitlines()]


def test_import_says_what_fails_and_writes_what_solves(tmp_path, flips, solvers, capsys):
    out = tmp_path / "out.jsonl"
    assert main(["seeds", "import", str(solvers), "--tasks", flips, "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{solvers}, line 15 (flip): fails on 3 of 3 pairs (wrong_grid 3)",
        f"{solvers}, line 19 (flip): fails on 3 of 3 pairs (type_mismatch 3)",
        f"{solvers}, line 23 (flip): in the program, line 24: unknown function 'open'",
        f"{solvers}, line 27 (other): no such task among the 1",
        "programs 7: solve their task 2, fail 2, no program 1, unknown task 1, repeated 1",
        f"written: {out}, 2 seeds",
    ]
    long = "x1 = rot180(I)\nx2 = vmirror(x1)\nx3 = hmirror(x2)\nO = rot180(x3)"
    assert rows(out) == [
        {"task": "flip", "program": "O = vmirror(I)", "origin": "import"},
        {"task": "flip", "program": long, "origin": "import"},
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jsonl", "solvers.py", "tasks"]
    assert main(["seeds", "import", str(solvers), "--tasks", flips, "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_import_writes_can_be_imported(tmp_path, flips, solvers, capsys):
    kept, again = tmp_path / "kept.jsonl", tmp_path / "again.jsonl"
    options = ["--tasks", flips, "--keep-failing", "--out"]
    assert main(["seeds", "import", str(solvers), *options, str(kept)]) == 0
    assert [row["program"] for row in rows(kept)][2:] == ["O = hmirror(I)", "O = canvas(I, I)"]
    assert main(["seeds", "import", str(kept), *options, str(again)]) == 0
    assert again.read_text() == kept.read_text()
    assert "programs 4: solve their task 2, fail 2, no program 0" in capsys.readouterr().out


def test_import_runs_within_the_fuel_that_is_given(flips, solvers, capsys):
    assert main(["seeds", "import", str(solvers), "--tasks", flips, "--fuel", "1"]) == 0
    assert "line 2 (flip): fails on 3 of 3 pairs (out_of_fuel 3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "missing"], "cannot read seeds from missing: No such file"),
        (["import", "broken.jsonl"], 'no program to import; broken.jsonl, line 1: right is {"task"'),
        (["import", "broken.jsonl", "--keep-failing"], "--keep-failing says what is written: it needs --out"),
        (["import", "broken.jsonl", "--out", "nowhere/out.jsonl"], "nowhere: no such folder"),
        (["import", "broken.jsonl", "--fuel", "0"], "--fuel: must be at least 1"),
        (["import", "broken.jsonl", "--tasks", "arc1-evil"], "unknown task set 'arc1-evil'"),
        (["import", "broken.jsonl", "--seeds.limit", "3"], "unrecognized argument '--seeds.limit'"),
        (["check", "--seeds", "broken.jsonl"], "broken.jsonl, line 1: right is"),
        ([], "required: ACTION"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jsonl").write_text("{\n")
    assert main(["seeds", *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["broken.jsonl"]


def test_check_counts_the_embedded_seeds(capsys):
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, tasks)
    assert main(["seeds", "check", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == [field.name for field in fields(SeedCheck)]
    assert (figures["seeds"], figures["tasks"], figures["failing"]) == (len(seeds), 400, [])
    assert figures["solved"] == len({seed.task for seed in seeds})
    assert sum(figures["seeds_by"].values()) == len(seeds)
    assert max(figures["solved_by"].values()) <= figures["solved"] <= sum(figures["solved_by"].values())
    assert figures["primitives_used"] + len(figures["unused"]) == figures["primitives"] == len(PRIMITIVES)
    assert max(figures["most_used"].values()) == figures["most_used"]["fill"]
    assert main(["seeds", "check"]) == 0
    assert "solved by hand" in capsys.readouterr().out


def test_check_shows_seeds_that_fail(tmp_path, flips, capsys):
    file = tmp_path / "seeds.jsonl"
    programs = ["O = vmirror(I)", "x1 = hmirror(I)\nO = hmirror(x1)"]
    file.write_text("".join(json.dumps({"task": "flip", "program": program}) + "\n" for program in programs))
    options = ["seeds", "check", "--seeds", str(file), "--tasks", flips]
    assert main([*options, "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    problem = "fails on 3 of 3 pairs (wrong_grid 3)"
    assert figures["failing"] == [{"task": "flip", "program": programs[1], "origin": "import", "problem": problem}]
    assert (figures["seeds"], figures["solved"], figures["solved_by"]) == (2, 1, {"import": 1})
    assert figures["lines"] == {"min": 1, "median": 1.5, "mean": 1.5, "max": 2}
    assert figures["most_used"] == {"hmirror": 2, "vmirror": 1}
    assert figures["least_used"] == {"vmirror": 1, "hmirror": 2}
    assert main(options) == 1
    assert f"flip (import): {problem}\n" in capsys.readouterr().out


def test_an_embedded_seed_that_fails_is_an_error(flips, tmp_path, monkeypatch, capsys):
    data = tmp_path / "data"
    data.mkdir()
    (data / "seeds.jsonl").write_text('{"task": "flip", "program": "O = hmirror(I)", "origin": "hand"}\n')
    monkeypatch.setattr("engine.seeds.seed.files", lambda package: tmp_path)
    assert main(["seeds", "check", "--tasks", flips]) == 1
    assert "flip (hand): fails on 3 of 3 pairs" in capsys.readouterr().out


def test_the_seeds_option_and_the_seeds_section_do_not_clash(tmp_path, monkeypatch, capsys):
    """`--seeds PATH` is argparse's, `--seeds.limit N` the configuration's, in any order."""
    monkeypatch.chdir(tmp_path)
    for limit in (["--seeds.limit", "3"], ["--seeds.limit=3"]):
        for arguments in (["--seeds", "missing", *limit], [*limit, "--seeds=missing"]):
            assert main(["run", *arguments]) == 2
            assert "cannot read seeds from missing" in capsys.readouterr().err
    assert main(["run", "--seeds.limit", "0"]) == 2
    assert "seeds.limit: input should be greater than or equal to 1" in capsys.readouterr().err
    assert main(["run", "--options"]) == 0
    assert "--seeds.limit" in capsys.readouterr().out
    assert load_config("cpu", None, ["--seeds.limit", "3"]).seeds.limit == 3
