"""`codeit eval` on stored programs: what is counted, what is written, and what it goes on from."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet
import pytest

from engine.analysis.subject import Subject
from engine.cli import main
from engine.evaluation import batches, evaluator, ranked, verdict
from engine.evaluation.figures import bootstrap
from engine.evaluation.sources import Source
from engine.execution import digest
from engine.ranking import Method
from engine.search.folder import SearchFolder
from engine.tasks import load_tasks
from replay.experience import Origin, relabel
from replay.store import ReplayStore

GRIDS = [np.random.default_rng(k).integers(0, 9, (3, 3)).astype(np.int8) for k in range(8)]
FLIP, TURN, SAME = "O = hmirror(I)", "O = rot90(I)", "O = identity(I)"
TWICE = "x1 = rot90(I)\nO = rot270(x1)"  # the same as SAME, by another way
HOSTILE = "<script>alert(1)</script>/../../" + "x" * 170


def rows(grid):
    return grid.tolist()


def pair(change, k, known=True):
    return {"input": rows(GRIDS[k]), "output": rows(change(GRIDS[k]))} if known else {"input": rows(GRIDS[k])}


def flip(grid):
    return grid[::-1]


def turn(grid):
    return np.rot90(grid, -1)


@pytest.fixture
def tasks(tmp_path):
    """A file of three tasks: to flip, to turn (two tests, one without an output), and one with a hostile id."""
    content = {
        "flip": {"train": [pair(flip, 0), pair(flip, 1)], "test": [pair(flip, 2)]},
        "turn": {"train": [pair(turn, 3)], "test": [pair(turn, 4), pair(turn, 5, known=False)]},
        HOSTILE: {"train": [pair(flip, 6), pair(turn, 7)], "test": [pair(flip, 5)]},
    }
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(content))
    return file


def programs(file, *rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def evaluate(*arguments, status=0):
    assert main(["eval", *map(str, arguments)]) == status


def summary(out):
    return json.loads((out / "summary.json").read_text())


def task_files(out):
    records = [json.loads(file.read_text()) for file in (out / "tasks").iterdir()]
    return {record["task"]: record for record in records}


@pytest.fixture
def done(tmp_path, tasks):
    """An evaluation of programs for all tasks and for one."""
    file = programs(
        tmp_path / "programs.jsonl",
        {"program": FLIP}, {"program": TURN}, {"program": SAME},
        {"program": TWICE, "task": "flip"}, {"program": FLIP, "task": "nowhere"}, {"program": "O = nothing(I)"},
    )  # fmt: skip
    out = tmp_path / "out"
    evaluate(file, "--tasks", tasks, "--out", out, "--exhaustive")
    return out


def test_a_task_without_all_test_outputs_is_counted_apart(done):
    figures = summary(done)
    assert (figures["tasks"], figures["outputs"]) == (3, 3)
    assert figures["unscored"] == {"tasks": 1, "outputs": 1}
    assert figures["solved"]["cumulative"]["paper"] == {"pass@1": 1, "pass@2": 2, "pass@3": 2}
    assert figures["solved_outputs"]["cumulative"]["distinct"] == {"pass@1": 2, "pass@2": 3, "pass@3": 3}
    assert figures["arc_prize"]["cumulative"] == 1.0
    assert figures["demonstrations"]["cumulative"] == {"right": 2, "performance": pytest.approx(0.8333)}


def test_what_is_no_program_or_for_no_task_is_counted(done):
    (source,) = summary(done)["sources"]
    assert (source["programs"], source["left_out"]) == (6, {batches.OTHER_TASK: 1, batches.NO_PROGRAM: 1})


def test_a_file_a_task_says_all_about_its_attempts(done):
    record = task_files(done)["turn"]
    assert (record["scored"], record["demonstrations"], record["tests"]) == (False, 1, 2)
    (attempt,) = record["cumulative"]["attempts"]["distinct"]
    assert attempt["program"] == TURN
    assert attempt["predictions"] == [rows(turn(GRIDS[4])), rows(turn(GRIDS[5]))]
    assert (attempt["right"], attempt["right_outputs"]) == (None, [True, None])
    assert attempt["failing"] == []
    attempts = task_files(done)[HOSTILE]["cumulative"]["attempts"]["paper"]
    assert [(each["program"], each["failing"], each["right"]) for each in attempts] == [
        (TURN, [0], False), (FLIP, [1], True),
    ]  # fmt: skip


def test_a_program_counts_where_it_is_meant_to_and_gives_a_grid(done):
    """TWICE is right nowhere, but for this task alone; SAME, for all, is right nowhere."""
    record = task_files(done)["flip"]["cumulative"]
    assert record["programs"] == 2
    assert [each["program"] for each in record["attempts"]["paper"]] == [FLIP, TWICE]


def test_hostile_ids_stay_names(done):
    files = [file for file in done.rglob("*") if file.is_file()]
    assert all(file.resolve().is_relative_to(done.resolve()) for file in files)
    assert sorted(len(list((done / kind).iterdir())) for kind in ("tasks", "benchmark")) == [3, 3]
    assert set(task_files(done)) == {"flip", "turn", HOSTILE}
    assert not any(char in file.name for file in files for char in "<>()")


def test_a_submission_has_two_attempts_a_test_input(done):
    submission = json.loads((done / "submission.json").read_text())
    assert set(submission) == {"flip", "turn", HOSTILE}
    assert submission["turn"] == [
        {"attempt_1": rows(turn(GRIDS[4])), "attempt_2": [[0]]},
        {"attempt_1": rows(turn(GRIDS[5])), "attempt_2": [[0]]},
    ]
    assert submission["flip"] == [{"attempt_1": rows(flip(GRIDS[2])), "attempt_2": rows(GRIDS[2])}]


def test_the_benchmarking_tools_files_have_what_its_schema_asks_for(done):
    (test,) = json.loads((done / "benchmark" / "flip.json").read_text())
    assert set(test) == {"attempt_1", "attempt_2"}
    assert test["attempt_1"]["answer"] == rows(flip(GRIDS[2]))
    required = {"model", "provider", "start_timestamp", "end_timestamp", "choices", "kwargs", "usage", "cost"}
    assert required <= set(test["attempt_1"]["metadata"])
    assert test["attempt_2"]["metadata"]["pair_index"] == 0


def test_the_table_has_every_program_that_is_ranked(done):
    table = pyarrow.parquet.read_table(done / "programs.parquet").to_pylist()
    by_key = {(row["task"], row["program"]): row for row in table}
    assert by_key["flip", FLIP]["right"] is True
    assert by_key["flip", TWICE]["right"] is False
    assert by_key["turn", TURN]["right"] is None
    assert by_key["flip", TWICE]["performance"] == 0.0
    assert len(by_key) == len(table) == summary(done)["programs"]


def test_scrambled_test_outputs_change_no_attempt(tmp_path, tasks, done):
    """Everything that is handed in or ranked is the same, byte by byte, whatever the test outputs are."""
    content = json.loads(tasks.read_text())
    for number, task in enumerate(content.values()):
        for test in task["test"]:
            test["output"] = rows(GRIDS[number])
    scrambled = tmp_path / "scrambled.json"
    scrambled.write_text(json.dumps(content))
    out = tmp_path / "again"
    evaluate(tmp_path / "programs.jsonl", "--tasks", scrambled, "--out", out, "--exhaustive")
    for name in ("submission.json", "found.jsonl"):
        assert (out / name).read_bytes() == (done / name).read_bytes()
    for id_, record in task_files(done).items():
        again = task_files(out)[id_]["cumulative"]
        for method in Method:
            attempts, others = (each["attempts"][method] for each in (record["cumulative"], again))
            blind = [{key: value for key, value in each.items() if not key.startswith("right")} for each in attempts]
            assert blind == [
                {key: value for key, value in each.items() if not key.startswith("right")} for each in others
            ]
    assert summary(out)["solved"] != summary(done)["solved"]


def test_programs_for_all_tasks_are_screened_on_the_first_demonstration(tmp_path, tasks):
    file = programs(tmp_path / "p.jsonl", {"program": TURN})
    evaluate(file, "--tasks", tasks, "--out", tmp_path / "out")
    assert task_files(tmp_path / "out")[HOSTILE]["cumulative"]["programs"] == 0  # it is right on the second alone
    assert task_files(tmp_path / "out")["turn"]["cumulative"]["programs"] == 1


@pytest.fixture
def store(tmp_path, tasks):
    """A replay store of a policy's programs and a mutant."""
    by_id = {task.id: task for task in load_tasks(str(tasks))}
    with ReplayStore(tmp_path / "replay") as store:
        store.put_tasks({id_: task.inputs for id_, task in by_id.items() if id_ != HOSTILE})
        for number, (id_, program, change, origin) in enumerate(
            [("flip", SAME, lambda grid: grid, Origin.POLICY), ("flip", FLIP, flip, Origin.MUTATED)], 1
        ):
            task = by_id[id_]
            outputs = [change(grid) for grid in task.inputs]
            store.commit([relabel(id_, program, outputs, task.outputs, origin, number, number)], {"number": number})
    return tmp_path / "replay"


def test_sources_are_evaluated_together_and_apart(tmp_path, tasks, store):
    file = programs(tmp_path / "p.jsonl", {"program": TURN}, {"program": FLIP, "task": "flip"})
    out = tmp_path / "out"
    evaluate(store, file, "--tasks", tasks, "--out", out)
    figures = summary(out)
    assert [(one["kind"], one["programs"]) for one in figures["sources"]] == [("replay", 2), ("programs", 2)]
    assert {origin: counts["paper"]["pass@1"] for origin, counts in figures["origins"].items()} == {
        "file": 1, "mutated": 1, "policy": 0,
    }  # fmt: skip
    record = task_files(out)["flip"]["cumulative"]
    assert record["programs"] == 2  # FLIP is in both
    best, other = record["attempts"]["paper"]
    assert (best["program"], best["origin"], best["meta_iteration"], best["found"]) == (FLIP, "mutated", 2, 1)
    assert (other["origin"], other["meta_iteration"]) == ("policy", 1)


def test_an_evaluation_of_an_evaluation_is_the_same(tmp_path, tasks, store):
    """It is of the same tasks, keeps where programs come from, and runs them on the same fuel."""
    file = programs(tmp_path / "p.jsonl", {"program": TURN}, {"program": FLIP, "task": "flip"})
    first, second = tmp_path / "first", tmp_path / "second"
    evaluate(store, file, "--tasks", tasks, "--task-ids", "flip,turn", "--out", first, "--interpreter.fuel", 70_000)
    evaluate(first, "--out", second)
    for name in ("tasks", "solved", "origins"):
        assert summary(second)[name] == summary(first)[name]
    assert [source["fuel"] for source in summary(second)["sources"]] == [70_000]


def test_a_search_is_scored_as_it_scored_itself(tmp_path):
    folder = tmp_path / "search"
    arguments = ["--tasks", "arc1-train", "--limit", "30", "--programs", "600", "--out", str(folder)]
    assert main(["search", *arguments]) == 0
    out = tmp_path / "out"
    evaluate(folder, "--out", out)
    assert summary(out)["solved"] == json.loads((folder / "summary.json").read_text())["solved"]
    wanted = {(row["task"], row["program"]): row["prediction"] for row in SearchFolder(folder).rows()}
    found = [json.loads(line) for line in (out / "found.jsonl").read_text().splitlines()]
    assert {(row["task"], row["program"]): row["prediction"] for row in found} == wanted


def test_buckets_change_nothing(tmp_path, tasks, done, monkeypatch):
    monkeypatch.setattr(ranked, "BUCKET_BYTES", 100)
    out = tmp_path / "buckets"
    evaluate(tmp_path / "programs.jsonl", "--tasks", tasks, "--out", out, "--exhaustive")
    assert task_files(out) == task_files(done)
    assert (out / "submission.json").read_bytes() == (done / "submission.json").read_bytes()
    assert not [file for file in out.iterdir() if file.name.startswith(".rank")]


def test_an_evaluation_goes_on_where_it_was_stopped(tmp_path, tasks, done, monkeypatch):
    monkeypatch.setattr(evaluator, "BATCH", 2)
    out, file = tmp_path / "stopped", tmp_path / "programs.jsonl"
    stops = iter([False, True])
    programs_of = Source.programs

    def interrupted(self, skip=0):
        for number, stored in enumerate(programs_of(self, skip), 1):
            if number == 5 and next(stops):  # in the third batch of the second go
                raise KeyboardInterrupt
            yield stored

    monkeypatch.setattr(Source, "programs", interrupted)
    next(stops)
    evaluate(file, "--tasks", tasks, "--out", out, "--exhaustive", status=130)
    with (out / "found.jsonl").open("a") as lines:
        lines.write('{"found": 99, "ta')  # what a kill leaves
    evaluate(file, "--tasks", tasks, "--out", out, "--exhaustive", status=2)
    monkeypatch.setattr(Source, "programs", programs_of)
    evaluate("--out", out, "--resume")
    assert (out / "found.jsonl").read_bytes() == (done / "found.jsonl").read_bytes()
    assert task_files(out) == task_files(done)
    evaluate("--out", out, "--resume", status=2)


def test_a_source_that_changed_is_not_gone_on_with(tmp_path, tasks, done, capsys):
    (done / "summary.json").unlink()
    with (tmp_path / "programs.jsonl").open("a") as file:
        file.write(json.dumps({"program": SAME}) + "\n")
    evaluate("--out", done, "--resume", status=2)
    assert "programs.jsonl has changed since the evaluation began" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["remove", "output"])
def test_tasks_that_changed_are_not_gone_on_with(tasks, done, capsys, change):
    """Nor are questions about them answered."""
    content = json.loads(tasks.read_text())
    if change == "remove":
        del content["turn"]
    else:
        content["turn"]["test"][0]["output"] = [[1]]
    tasks.write_text(json.dumps(content))
    assert main(["analyse", "length", str(done)]) == 2
    (done / "summary.json").unlink()
    evaluate("--out", done, "--resume", status=2)
    assert capsys.readouterr().err.count("tasks were added, changed or removed since") == 2


def test_an_older_evaluation_goes_on_without_a_hash_of_its_tasks(done):
    settings = json.loads((done / "evaluation.json").read_text())
    del settings["tasks_hash"]
    (done / "evaluation.json").write_text(json.dumps(settings))
    before = summary(done)
    (done / "summary.json").unlink()
    evaluate("--out", done, "--resume")
    assert summary(done)["solved"] == before["solved"]


def test_a_limit_is_one_of_the_tasks_that_were_evaluated(tmp_path, tasks):
    file = programs(tmp_path / "p.jsonl", {"program": FLIP}, {"program": TURN})
    evaluate(file, "--tasks", tasks, "--task-ids", "turn,flip", "--out", tmp_path / "one")
    evaluate(tmp_path / "one", "--limit", "1", "--out", tmp_path / "two")
    (first,) = task_files(tmp_path / "two")
    assert first == json.loads((tmp_path / "one" / "evaluation.json").read_text())["task_ids"][0]


def test_what_several_sources_have_is_asked_about_once(tmp_path, tasks):
    files = [programs(tmp_path / f"{k}.jsonl", {"program": FLIP}, {"program": TURN}) for k in range(2)]
    evaluate(*files, "--tasks", tasks, "--out", tmp_path / "out", "--exhaustive")
    asked = [(one.task, one.program) for one in Subject(tmp_path / "out").programs()]
    assert len(asked) == len(set(asked)) == summary(tmp_path / "out")["programs"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "no JSON object with task_set, task_ids, limit; the file was damaged"),
        ({"task_set": "arc1-train"}, "no JSON object with task_set, task_ids, limit; the file was damaged"),
        ({"task_set": "arc1-train", "task_ids": [], "limit": 1, "speed": 3}, "no settings of an evaluation of this"),
    ],
)
def test_damaged_settings_are_named(done, capsys, settings, message):
    (done / "summary.json").unlink()
    (done / "evaluation.json").write_text(json.dumps(settings))
    evaluate("--out", done, "--resume", status=2)
    assert f"{done / 'evaluation.json'}: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing: no such file or folder; right is a run, a checkpoint"),
        (["{empty}", "--stored"], "nothing to evaluate; right is"),
        (["{file}", "--resume"], "--resume needs --out"),
        (["{file}", "--out", "{out}"], "holds an evaluation already: choose another --out"),
        (["{file}", "--resume", "--out", "{out}"], "SOURCE cannot change in an evaluation that goes on"),
        (["--resume", "--out", "{out}"], "nothing to resume, the evaluation is done"),
        (["{file}", "--loop.seed", "3"], "--loop.seed has no effect on an evaluation"),
        (["{file}", "--interpreter.arena-words", "100000"], "--interpreter.arena-words has no effect on an evaluation"),
        (["{file}", "--tasks", "{tasks}", "--task-ids", "other"], "task 'other' is not in"),
        (
            ["{broken}", "--tasks", "{tasks}", "--out", "{new}"],
            "nothing to evaluate: no program 2 (the first: not JSON",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, tasks, done, capsys, arguments, message):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"program": \n{"task": "flip"}\n')
    (tmp_path / "empty").mkdir()
    named = {"file": "programs.jsonl", "out": "out", "tasks": "tasks.json", "broken": "broken.jsonl"}
    names = {name: tmp_path / file for name, file in {**named, "new": "new", "empty": "empty"}.items()}
    capsys.readouterr()
    evaluate(*(argument.format(**names) for argument in arguments), status=2)
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


def test_a_last_line_without_its_end_is_a_program(tmp_path, tasks):
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"program": FLIP}))
    evaluate(file, "--tasks", tasks, "--out", tmp_path / "out")
    assert summary(tmp_path / "out")["solved"]["cumulative"]["paper"]["pass@1"] == 2


def test_concepts_are_counted_apart(tmp_path):
    for concept, change in (("Flip", flip), ("Turn", turn)):
        for k in range(2):
            file = tmp_path / "tasks" / concept / f"{concept}{k}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"train": [pair(change, k)], "test": [pair(change, k + 2)]}))
    file = programs(tmp_path / "p.jsonl", {"program": FLIP})
    evaluate(file, "--tasks", tmp_path / "tasks", "--out", tmp_path / "out")
    concepts = summary(tmp_path / "out")["concepts"]
    assert {name: each["solved"]["cumulative"]["paper"]["pass@1"] for name, each in concepts.items()} == {
        "Flip": 2, "Turn": 0,
    }  # fmt: skip
    assert task_files(tmp_path / "out")["Flip0"]["concept"] == "Flip"


def test_intervals_hold_the_count_and_are_as_wide_as_a_binomials():
    solved = np.array([[1.0]] * 60 + [[0.0]] * 340)
    low, high = bootstrap(solved, np.ones(400))
    assert low[0] == pytest.approx(60 - 1.96 * np.sqrt(400 * 0.15 * 0.85), abs=2)
    assert high[0] == pytest.approx(60 + 1.96 * np.sqrt(400 * 0.15 * 0.85), abs=2)
    assert bootstrap(np.zeros((0, 2)), np.zeros(0))[0].tolist() == [0, 0]


def test_digests_of_predictions_are_those_of_the_ranking(done, tasks):
    by_id = {task.id: task for task in load_tasks(str(tasks))}
    row = next(
        json.loads(line)
        for line in (done / "found.jsonl").read_text().splitlines()
        if json.loads(line)["task"] == "flip"
    )
    assert row["prediction"] == digest(replace(by_id["flip"]).test_outputs).hex()


def test_a_search_of_tasks_that_nobody_has_the_outputs_of_ends_in_a_submission(tmp_path):
    """They are searched and handed in, and counted as neither solved nor failed."""
    content = {HOSTILE: {"train": [pair(flip, 0), pair(flip, 1)], "test": [pair(flip, 2, known=False)]}}
    (tmp_path / "x_challenges.json").write_text(json.dumps(content))
    folder, out = tmp_path / "search", tmp_path / "out"
    arguments = ["--tasks", str(tmp_path / "x_challenges.json"), "--programs", "2000", "--out", str(folder)]
    assert main(["search", *arguments]) == 0
    assert json.loads((folder / "summary.json").read_text())["unscored"] == {"tasks": 1, "outputs": 1}
    assert {row["right"] for row in SearchFolder(folder).rows()} == {None}
    evaluate(folder, "--out", out)
    assert json.loads((out / "submission.json").read_text())[HOSTILE][0]["attempt_1"] == rows(flip(GRIDS[2]))
    figures = summary(out)
    assert (figures["unscored"], figures["outputs"]) == ({"tasks": 1, "outputs": 1}, 0)
    assert figures["demonstrations"]["cumulative"]["right"] == 1
    assert figures["solved_interval"]["cumulative"]["paper"]["pass@1"] == [0, 0]
    assert figures["arc_prize"] == {"cumulative": None}
    assert "pass@" not in verdict(figures)


def test_the_folder_of_a_run_or_a_search_is_not_written_over(tmp_path, tasks, done, capsys):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "search.json").write_text("{}")
    evaluate(tmp_path / "programs.jsonl", "--tasks", tasks, "--out", tmp_path / "search", status=2)
    assert "is the folder of a run or a search (it has search.json): choose another --out" in capsys.readouterr().err


def test_a_folder_of_ones_own_tasks_is_not_written_over(tmp_path, tasks, capsys):
    (tmp_path / "mine" / "tasks").mkdir(parents=True)
    tasks.rename(tmp_path / "mine" / "tasks" / "a.json")
    file = programs(tmp_path / "p.jsonl", {"program": FLIP})
    evaluate(file, "--tasks", tmp_path / "mine" / "tasks", "--out", tmp_path / "mine", status=2)
    assert "mine/tasks is there already, and not of an evaluation" in capsys.readouterr().err
    assert [name.name for name in (tmp_path / "mine" / "tasks").iterdir()] == ["a.json"]


def test_a_source_that_was_put_right_can_be_evaluated_to_the_same_folder(tmp_path, tasks):
    file, out = tmp_path / "p.jsonl", tmp_path / "out"
    file.write_text("{")
    evaluate(file, "--tasks", tasks, "--out", out, status=2)
    programs(file, {"program": FLIP})
    evaluate(file, "--tasks", tasks, "--out", out)
    assert summary(out)["programs"] == 2
