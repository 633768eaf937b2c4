"""Small folders of a search, a run and an evaluation, with all that a report has to show.

The search's tasks: `mirror` is solved, `near` is right on one of two demonstrations, `lost` is solved until three
shorter programs that are wrong push the right one out, and `empty` has no program.
"""

import json
import re

import numpy as np

from engine.config import load_config
from engine.execution import digest
from engine.files import append_line, write_json, write_lines
from engine.run_folder import RunFolder
from engine.tasks import load_tasks
from interpreter.grids import as_grid
from interpreter.language.program import parse
from interpreter.runtime.outcome import Outcome
from replay.experience import Origin, relabel
from replay.store import ReplayStore
from report.detail import Runner
from report.model import Limits

A, B, C = [[1, 0, 2], [0, 3, 0]], [[4, 5], [0, 6]], [[7, 0, 0], [8, 0, 9]]
FLAT = [[1, 1], [1, 1]]
TASKS = {
    "mirror": ([(A, [row[::-1] for row in A]), (B, [row[::-1] for row in B])], [(C, [row[::-1] for row in C])]),
    "near": ([(A, A[::-1]), (B, [[0, 0], [0, 0]])], [(C, C)]),
    "lost": ([(FLAT, FLAT)], [([[1, 2], [3, 4]], [[3, 1], [4, 2]])]),
    "empty": ([(A, [[5]])], [(C, [[5]])]),
}
PROGRAMS = {
    "mirror": ["O = vmirror(I)", "x1 = objects(I, T, F, T)\nx2 = size(x1)\nO = vmirror(I)"],
    "near": ["O = hmirror(I)", "O = merge(I)"],
    "lost": [
        "x1 = rot90(I)\nx2 = rot180(x1)\nO = rot180(x2)",
        "O = hmirror(I)",
        "x1 = hmirror(I)\nO = identity(x1)",
        "x1 = identity(I)\nO = hmirror(x1)",
    ],
}


def write_tasks(folder, tasks=TASKS):
    """A folder of ARC task files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (train, test) in tasks.items():
        parts = {"train": train, "test": test}
        content = {part: [{"input": a, "output": b} for a, b in pairs] for part, pairs in parts.items()}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def given(task, program):
    """What a program gives on a task's demonstrations and tests: grids or None."""
    outputs = Runner(Limits(200_000)).outputs(parse(program), (*task.inputs, *task.test_inputs))
    grids = [None if isinstance(output, Outcome) else output for output in outputs]
    return grids[: len(task.inputs)], grids[len(task.inputs) :]


def performance(task, outputs):
    right = [o is not None and np.array_equal(o, wanted) for o, wanted in zip(outputs, task.outputs, strict=True)]
    return sum(right) / len(right)


def write_search(folder, tasks_folder, programs=PROGRAMS, ran=6_000, method="mutate"):
    """The folder of a search that found `programs`, a thousand after the other."""
    folder.mkdir(parents=True)
    tasks = {task.id: task for task in load_tasks(str(tasks_folder))}
    settings = {"tasks": str(tasks_folder), "task_ids": [], "limit": None, "seed": 0, "fuel": 200_000}
    write_json(folder / "search.json", settings)
    rows = []
    for name, texts in programs.items():
        for k, text in enumerate(texts):
            outputs, predictions = given(tasks[name], text)
            rows.append({
                "number": 1_000 * k, "task": name, "program": text, "method": method,
                "demonstration_performance": performance(tasks[name], outputs),
                "right": digest(predictions) == digest(tasks[name].test_outputs),
                "prediction": digest(predictions).hex(),
            })  # fmt: skip
    write_lines(folder / "search.jsonl", sorted(rows, key=lambda row: row["number"]))
    write_lines(folder / "curve.jsonl", [])
    lengths = {"search.jsonl": (folder / "search.jsonl").stat().st_size}
    write_json(folder / "progress.json", {"programs": ran, "lengths": lengths})
    return folder


def write_run(folder, tasks_folder, found=None, meta_iterations=3, solved=None):
    """The folder of a run that has found programs: {meta-iteration: [(task, program), ...]}.

    `solved` are the tasks that the samples of each meta-iteration solve, likewise.
    """
    found = {1: [("mirror", "O = vmirror(I)")], 2: [("near", "O = hmirror(I)")]} if found is None else found
    options = ["--tasks.search", str(tasks_folder), "--loop.meta-iterations", str(meta_iterations)]
    run = RunFolder.create(folder, load_config("smoke", None, options), [])
    tasks = {task.id: task for task in load_tasks(str(tasks_folder))}
    with ReplayStore(run.replay) as store:
        store.put_tasks({task.id: task.inputs for task in tasks.values()})
        for number, programs in found.items():
            experiences = [
                relabel(name, text, given(tasks[name], text)[0], tasks[name].outputs, Origin.POLICY, number, number)
                for name, text in programs
            ]
            store.commit(experiences, {"meta_iteration": number})
            append_line(run.path / "metrics.jsonl", {
                "meta_iteration": number, "loss": 3.0 / number, "heldout_loss": None, "valid_share": 0.5,
                "unique_share": 0.4, "samples": 100, "samples_per_s": 50.0, "solved_policy": 1, "solved_cumulative": 1,
                "phase_s": {"train": 2.0, "sample": 1.0},
            })  # fmt: skip
    if solved is not None:
        rows = [{"meta_iteration": n, "policy": {"paper": dict.fromkeys(tasks, 1)}} for n, tasks in solved.items()]
        write_lines(folder / "solved.jsonl", rows)
    run.close()
    return folder


def write_evaluation(folder, ids=("mirror",), concept=None, test_output=True):
    """The folder of an evaluation whose tasks, of any id, are all `mirror`."""
    (folder / "tasks").mkdir(parents=True)
    train, test = TASKS["mirror"]
    attempt = {
        "program": "O = vmirror(I)", "demonstration_performance": 1.0, "votes": 2,
        "right": True if test_output else None, "predictions": [test[0][1]], "outputs": [b for _, b in train],
        "origin": "policy", "meta_iteration": 3,
    }  # fmt: skip
    board = {"programs": 2, "attempts": {"paper": [attempt], "distinct": [attempt]}}
    for number, name in enumerate(ids):
        record = {
            "task": name, "concept": concept, "cumulative": board,
            "train": [{"input": a, "output": b} for a, b in train],
            "test": [{"input": a, "output": b if test_output else None} for a, b in test],
        }  # fmt: skip
        write_json(folder / "tasks" / f"{number}.json", record)
    counts = {f"pass@{k}": len(ids) if test_output else 0 for k in (1, 2, 3)}
    solved = {"cumulative": {"paper": counts, "distinct": counts}}
    outputs = {"pass@1": 1, "pass@2": 1, "pass@3": 2}
    spans = {name: [0, number] for name, number in outputs.items()}
    summary = {
        "outputs": 7, "solved_outputs": {"cumulative": {"paper": outputs}},
        "solved_outputs_interval": {"cumulative": {"paper": spans}}, "task_set": "mine", "tasks": len(ids),
        "programs": 2, "seconds": 1.0, "solved": solved,
    }  # fmt: skip
    write_json(folder / "summary.json", summary)
    return folder


def grids_of(texts):
    return [as_grid([list(map(int, row)) for row in text.split("/")]) for text in texts]


def page_of(folder):
    """The page that `codeit report` wrote into a folder."""
    return (folder / "report" / "index.html").read_text()


def data_of(page, name="index"):
    """What the page has as JSON under a name."""
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page, re.DOTALL)[1])
