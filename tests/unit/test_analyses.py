"""The figures of analyses, from what was found."""

import json
from collections import Counter

import pytest

from engine.analysis.abstractions import recurring, subprograms
from engine.analysis.failures import failed
from engine.analysis.forgetting import history
from engine.analysis.length import by_length
from engine.analysis.refinement import POINTS, Found, refined
from engine.analysis.subject import Judged, Subject
from engine.cli import main
from engine.commands.options.analyse import NAMES
from engine.errors import UsageError
from engine.files import write_lines
from interpreter.language.program import parse

SHORT, LONG = "O = hmirror(I)", "x1 = rot90(I)\nx2 = rot90(x1)\nO = vmirror(x2)"


def judged(task, program, performance=1.0, right=True, prediction=b"a", found=0):
    return Judged(task, program, performance, prediction, found, found, "search", right)


def test_tasks_are_gained_lost_and_gained_again():
    solved = [{"a": 1, "b": 2}, {"a": 1}, {"b": 1, "c": 3}, {}]
    result = history([1, 2, 3, 4], solved, [2, 2, 3, 3])
    assert result["solved"] == [2, 1, 2, 0]
    assert result["gained"] == [2, 0, 1, 0]
    assert result["lost"] == [0, 1, 1, 2]
    assert result["regained"] == [0, 0, 1, 0]
    assert result["tasks"] == {"a": [1, 2], "b": [1, 3], "c": [3]}
    assert (result["ever"], result["at_end"], result["lost_at_end"]) == (3, 0, ["a", "b", "c"])


def test_what_is_lost_is_gained_again_or_lost_at_the_end():
    """However tasks come and go, the numbers add up to what is solved."""
    solved = [{str(k): 1 for k in range(step % 5, 9, 1 + step % 3)} for step in range(12)]
    result = history(range(12), solved, [0] * 12)
    now = 0
    for step in range(12):
        now += result["gained"][step] + result["regained"][step] - result["lost"][step]
        assert now == result["solved"][step]
    assert sum(result["gained"]) == result["ever"]
    assert result["ever"] - result["at_end"] == len(result["lost_at_end"])


def test_a_shorter_program_is_a_refinement():
    found = [
        Found("t", LONG, 1, "policy", True),
        Found("t", "O = rot180(I)", 2, "policy", False),
        Found("t", SHORT, 3, "policy", True),
        Found("t", LONG, 4, "policy", True),
        Found("u", LONG, 4, "mutated", False),
    ]
    result = refined(found, "meta_iteration")
    assert [point["step"] for point in result["tasks"]["t"]] == [1, 3]
    assert set(result["tasks"]) == {"t"}
    assert result["shortest"][-1]["characters"] == len(SHORT)
    assert result["shortest"][-1]["share_of_first"] == pytest.approx(len(SHORT) / len(LONG), abs=1e-4)
    assert result["origins"]["policy"]["primitives"] == {"rot90": 0.5, "vmirror": 0.5, "rot180": 0.25, "hmirror": 0.25}
    assert result["origins"]["mutated"]["programs"] == 1


@pytest.mark.parametrize("steps", [99, 100, 101, 199, 1000])
def test_of_many_points_a_hundred_are_kept_in_the_order_of_discovery(steps):
    """A program that was inserted first may be discovered last: tasks so far never become fewer."""
    found = [Found(f"t{k}", SHORT, k, "policy", True) for k in range(steps)]
    points = refined([*found[50:], *found[:50]], "meta_iteration")["shortest"]
    assert len(points) == min(steps, POINTS)
    assert [point["tasks"] for point in points] == [point["step"] + 1 for point in points]
    assert (points[0]["step"], points[-1]["step"]) == (0, steps - 1)
    assert len({point["step"] for point in points}) == len(points)


def test_generalisation_is_by_length_and_by_size():
    programs = [
        judged("small", SHORT),
        judged("small", LONG, right=False),
        judged("large", LONG),
        judged("large", SHORT, performance=0.5),
        judged("unknown", SHORT, right=None),
    ]
    result = by_length(programs, lambda one: 9 if one.task == "small" else 900)
    assert (result["programs"], result["right"], result["tasks"]) == (3, 2, 2)
    assert [(row["from"], row["to"], row["programs"], row["share"]) for row in result["by_lines"]] == [
        (1, 1, 1, 1.0), (3, 3, 2, 0.5),
    ]  # fmt: skip
    assert [(row["from"], row["to"], row["right"], row["programs"]) for row in result["by_cells"]] == [
        (1, 25, 1, 2), (577, None, 1, 1),
    ]  # fmt: skip


def test_a_subprogram_is_told_by_what_it_computes():
    program = parse("x1 = rot90(I)\nx2 = hmirror(x1)\nx3 = vmirror(x1)\nO = hconcat(x2, x3)")
    assert dict(subprograms(program)) == {
        "hmirror(rot90(I))": 2,
        "vmirror(rot90(I))": 2,
        "hconcat(hmirror(rot90(I)), vmirror(rot90(I)))": 5,
    }
    other = parse("x1 = hmirror(I)\nx2 = rot90(I)\nO = vmirror(x2)")  # the number of a variable says nothing
    assert dict(subprograms(other)) == {"vmirror(rot90(I))": 2}


def test_what_grows_out_of_hand_is_left_out():
    lines = ["x1 = hconcat(I, I)", *(f"x{k} = hconcat(x{k - 1}, x{k - 1})" for k in range(2, 40)), "O = rot90(x39)"]
    assert max(size for _, size in subprograms(parse("\n".join(lines)))) <= 8


def test_an_abstraction_is_in_several_tasks_and_in_no_seed():
    shared, seeded = "x1 = rot90(I)\nO = hmirror(x1)", "x1 = rot90(I)\nO = vmirror(x1)"
    solutions = [("a", shared), ("b", shared), ("b", seeded), ("c", seeded), ("c", "x1 = rot180(I)\nO = hmirror(x1)")]
    result = recurring(solutions, [seeded])
    assert [(row["expression"], row["tasks"]) for row in result["subprograms"]] == [("hmirror(rot90(I))", ["a", "b"])]
    assert (result["solutions"], result["seeds"], result["found"]) == (5, 1, 1)


def test_failures_are_told_by_the_known_solver_and_by_how_far_they_came():
    programs = [
        judged("solved", SHORT),
        judged("wrong", SHORT, right=False),
        judged("near", SHORT, performance=0.5, right=False),
        judged("far", SHORT, performance=0.0, right=False),
    ]
    solvers = {"solved": [parse(LONG), parse(SHORT)], "wrong": [parse(LONG)]}
    result = failed(["solved", "wrong", "near", "far", "nothing"], programs, solvers)
    assert (result["tasks"], result["solved"], result["known"]) == (5, 1, 2)
    assert [(row["from"], row["tasks"], row["solved"]) for row in result["by_lines"]] == [(1, 1, 1), (3, 1, 0)]
    assert result["by_kind"] == {"transforms": {"tasks": 2, "solved": 1}}
    assert result["unsolved"] == {
        "no program": ["nothing"],
        "no demonstration": ["far"],
        "some demonstrations": ["near"],
        "all demonstrations": ["wrong"],
    }


def test_a_right_program_behind_three_attempts_solves_nothing():
    wrong = [
        judged("t", SHORT, right=False, prediction=bytes([k]), found=3 * k + copy)
        for k in range(3)
        for copy in range(2)
    ]
    right = judged("t", LONG, prediction=b"right", found=9)
    assert failed(["t"], [*wrong, right], {})["solved"] == 0
    assert failed(["t"], [*wrong[2:], right], {})["solved"] == 1


def test_the_names_of_questions_are_those_that_are_answered():
    from engine.analysis.analyses import ANALYSES

    assert tuple(ANALYSES) == NAMES


def test_what_cannot_be_asked_is_said(tmp_path, capsys):
    (tmp_path / "search").mkdir()
    settings = {"fuel": 1, "tasks": "arc1-train", "task_ids": ["67a3c6ac"], "limit": None}
    (tmp_path / "search" / "search.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="forgetting is a question about runs, and this is of a search"):
        Subject(tmp_path / "search").run("forgetting")
    (tmp_path / "programs.jsonl").touch()
    with pytest.raises(UsageError, match="right is the folder of a run, a search or an evaluation"):
        Subject(tmp_path / "programs.jsonl")
    assert main(["analyse", "length"]) == 2
    assert "required: DIR" in capsys.readouterr().err
    assert main(["analyse", "speed", "x"]) == 2
    assert "invalid choice: 'speed'" in capsys.readouterr().err
    (tmp_path / "search" / "seeds.jsonl").write_text(json.dumps({"program": SHORT}) + "\n")
    for name in ("length", "abstractions"):  # a search has seeds of its own
        assert main(["analyse", name, str(tmp_path / "search"), "--solvers", "nosuchfile.jsonl"]) == 2
        assert "--solvers is of failures, and of abstractions of an evaluation" in capsys.readouterr().err
    (tmp_path / "search" / "search.jsonl").touch()
    write_lines(tmp_path / "solvers.jsonl", [{"task": "007bbfb7", "program": SHORT}])
    assert main(["analyse", "failures", str(tmp_path / "search"), "--solvers", str(tmp_path / "solvers.jsonl")]) == 2
    assert "these programs are for other tasks than those of" in capsys.readouterr().err


def test_questions_about_tasks_that_changed_are_refused(tmp_path):
    """Of a search; its counts would be of other tasks."""
    (tmp_path / "t.json").write_text(
        json.dumps({"train": [{"input": [[1]], "output": [[1]]}], "test": [{"input": [[1]]}]})
    )
    settings = {"tasks": str(tmp_path / "t.json"), "task_ids": [], "limit": None, "tasks_hash": "of others"}
    (tmp_path / "search.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="tasks were added, changed or removed since"):
        _ = Subject(tmp_path).tasks


def test_a_file_of_somebody_else_is_not_replaced(tmp_path, capsys):
    (tmp_path / "t.json").write_text(
        json.dumps({"train": [{"input": [[1]], "output": [[1]]}], "test": [{"input": [[1]]}]})
    )
    (tmp_path / "search.json").write_text(
        json.dumps({"tasks": str(tmp_path / "t.json"), "task_ids": [], "limit": None})
    )
    (tmp_path / "search.jsonl").touch()
    (tmp_path / "length.json").write_text('{"metres": 3}')
    assert main(["analyse", "length", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "length.json is there already, and codeit did not write it" in capsys.readouterr().err
    for _ in range(2):
        assert main(["analyse", "length", str(tmp_path)]) == 0


def test_of_a_search_that_was_killed_its_last_batch_does_not_count(tmp_path):
    """It is found again when the search goes on, and an evaluation leaves it out, too."""
    row = {"task": "67a3c6ac", "program": SHORT, "demonstration_performance": 1.0, "prediction": "", "number": 0}
    three = [json.dumps({**row, "program": f"O = {name}(I)"}) + "\n" for name in ("rot90", "dmirror", "cmirror")]
    (tmp_path / "search.json").write_text(json.dumps({"tasks": "arc1-train", "task_ids": [row["task"]], "limit": None}))
    (tmp_path / "search.jsonl").write_text("".join(three))
    subject = Subject(tmp_path)
    for lines, progress in ((0, None), (2, {"lengths": {"search.jsonl": len("".join(three[:2]))}})):
        if progress is not None:
            (tmp_path / "progress.json").write_text(json.dumps(progress))
        assert len(list(subject.programs())) == lines == len(list(subject.source.programs()))


def test_counters_of_shares_are_exact():
    found = [Found("t", SHORT if k % 4 else LONG, k, "policy", False) for k in range(8)]
    shares = refined(found, "meta_iteration")["origins"]["policy"]["primitives"]
    assert shares == dict(Counter({"hmirror": 0.75, "rot90": 0.25, "vmirror": 0.25}))
