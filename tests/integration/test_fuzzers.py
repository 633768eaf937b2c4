"""The fuzzers as a user runs them: counts add up, differences are written out, and wild programs do no harm."""

import json

import pytest

from engine.cli import main
from interpreter.language.program import parse
from interpreter.primitives import PRIMITIVES

# A stand-in for arc-dsl in which one function is right, one is wrong, one is unlike Python and the rest is missing.
DSL = """
def hmirror(grid):
    return grid[::-1]

def vmirror(grid):
    return grid

def rot90(grid):
    raise MemoryError

def rot180(grid):
    return hmirror(tuple(row[::-1] for row in grid))
"""


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_differences_are_counted_and_written(tmp_path, capsys):
    (tmp_path / "dsl.py").write_text(DSL)
    (tmp_path / "constants.py").write_text("ONE = 1\n")
    programs, out = tmp_path / "programs.jsonl", tmp_path / "out.jsonl"
    programs.write_text(json.dumps({"task": "007bbfb7", "program": "x1 = hmirror(I)\nO = vmirror(x1)"}) + "\n")
    arguments = ["bench", "differential", "--arc-dsl", str(tmp_path), "--programs", str(programs), "--mutants", "300"]
    assert main([*arguments, "--out", str(out)]) == 0
    result = last_line(capsys)
    rows = [json.loads(row) for row in out.read_text().splitlines()]
    assert result["mutants"] == 300
    assert result["same"] + result["different"] + result["reference_only"]["count"] == result["reference_grids"]
    assert result["same"] > 0
    assert result["agreement_all"] == round(result["same"] / result["reference_grids"], 5) < 1
    assert result["both_failed"] + result["ours_only"]["count"] == result["reference_failed"]
    assert result["ours_only"]["rules"]["memory"] > 0
    counts = {category: sum(row["category"] == category for row in rows) for category in ("different", "ours_only")}
    assert counts == {"different": result["different"], "ours_only": result["ours_only"]["count"]}
    assert all("vmirror" in row["program"] for row in rows if row["category"] == "different")
    assert {row["rule"] for row in rows if row["reference"]["error"] == "MemoryError"} == {"memory"}
    assert main([*arguments, "--out", str(out)]) == 2, "nothing is overwritten"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["differential", "--programs", "p.jsonl"], "required: --arc-dsl"),
        (["differential", "--arc-dsl", "x", "--programs", "p.jsonl"], "cannot read seeds from p.jsonl"),
        (["fuzz", "--programs", "0"], "--programs: must be at least 1"),
        (["fuzz", "--seed", "-1"], "--seed: must be at least 0"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_wild_programs_end_in_a_typed_outcome(capsys):
    assert main(["bench", "fuzz", "--programs", "3000", "--seed", "5"]) == 0
    result = last_line(capsys)
    assert sum(result["outcomes"].values()) == result["programs"] == 3000
    assert result["internal_errors"] == 0
    assert result["repeated"] == 1000
    assert result["outcomes"]["ok"] > 100
    assert 0 < result["fuel"]["p50"] <= result["fuel"]["p100"] <= 4_000_000
    assert (
        0
        < result["dearest"]["ns_per_fuel"]
        == pytest.approx(1e6 * result["dearest"]["ms"] / result["dearest"]["fuel"], rel=0.1)
    )
    assert parse(result["dearest"]["program"])
    assert result["dearest_primitives"].keys() <= PRIMITIVES.keys()
