"""Files of programs in every form that is read, and what is said about those that are none."""

import json

import pytest

from engine.errors import UsageError
from engine.seeds.files import read_entries
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks

SOLVER = "def solve_abc(I):\n    x1 = hmirror(I)\n    x2 = rot180(I)\n    O = vmirror(x2)\n    return O\n"
TEXT = "x1 = rot180(I)\nO = vmirror(x1)"
TASK = {"program": SOLVER, "training_examples": [], "test_examples": [], "task_key": "abc", "extra_info": ""}


def read(path):
    return [(entry.task, entry.program if isinstance(entry.program, str) else entry.program.text)
            for entry in read_entries(path)]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("solvers.py", SOLVER),
        ("anything", SOLVER),
        ("abc.json", json.dumps(TASK)),
        ("other.json", json.dumps(TASK, indent=2)),
        ("abc.json", json.dumps({"program": SOLVER})),
        ("mutated.json", json.dumps({"abc_7": TASK | {"task_key": "abc_7", "parent_key": "abc"}})),
        ("tasks.json", json.dumps({"abc": {"program": TEXT}, "none": TASK | {"program": None}})),
        ("tasks.txt", json.dumps({"abc": TASK})),
        ("seeds.jsonl", "\n" + json.dumps({"task": "abc", "program": TEXT}) + "\n\n"),
        ("seeds.txt", json.dumps({"task": "abc", "program": TEXT})),
        ("seeds.jsonl", "\ufeff" + json.dumps({"task": "abc", "program": SOLVER})),
    ],
)
def test_every_form_gives_the_pruned_program(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read(tmp_path / name) == [("abc", TEXT)]


def test_several_lines_without_an_extension_are_jsonl(tmp_path):
    rows = [{"task": "abc", "program": TEXT, "origin": "search"}, {"task": "b", "program": "O = hmirror(I)"}]
    (tmp_path / "seeds").write_text("\n".join(map(json.dumps, rows)))
    assert [(entry.task, entry.origin) for entry in read_entries(tmp_path / "seeds")] == [
        ("abc", "search"),
        ("b", "import"),
    ]


def test_a_folder_of_tasks_and_a_checkout(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(TASK | {"task_key": "a"}))
    (tmp_path / "b.json").write_text(json.dumps(TASK | {"task_key": "b", "program": None}))
    (tmp_path / "c.json").write_text("[1]")
    assert [entry.task for entry in read_entries(tmp_path)] == ["a", ""]
    assert read_entries(tmp_path)[1].program.startswith("no JSON object")
    (tmp_path / "solvers.py").write_text(
        "def solve_abc(I):\n    O = replace(I, replacer=ONE, replacee=TWO)\n    return O\n"
    )
    (tmp_path / "dsl.py").write_text("def replace(grid, replacee, replacer):\n    return grid\n")
    assert read(tmp_path) == [("abc", "O = replace(I, TWO, ONE)")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("solvers.py", b"", "solvers.py: an empty file"),
        ("seeds.jsonl", b" \n", "seeds.jsonl: an empty file"),
        ("solvers.py", b"def solve_a(I):\n  '\xff'", "no UTF-8: invalid start byte at byte 19"),
        ("solvers.py", b"def solve_a(I:", "solvers.py, line 1: not Python"),
        ("solvers.py", b"x = 1\n", "solvers.py: no function solve_<task>(I)"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_entries(tmp_path / name)
    assert message in str(error.value)


VERIFIER = "def verify_abc(I: Grid) -> Grid:\n    x0 = rot180(I)\n    x1 = vmirror(x0)\n    return x1\n"
ANONYMOUS = "def p(g):\n    return vmirror(rot180(g))\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("verifiers.py", "from dsl import *\n\n" + VERIFIER),
        ("abc.py", ANONYMOUS),
        ("abc.py", "import json\n\ndef show(a, b):\n    return a\n\n" + ANONYMOUS),
        ("abc.py", "def helper(g):\n    return g\n\ndef solve(I):\n    return vmirror(rot180(I))\n"),
        ("abc.json", json.dumps({"program": ANONYMOUS})),
        ("seeds.jsonl", json.dumps({"task_id": "abc", "program": "x1 = rot180(I)  # turn\nO = vmirror(x1)"})),
        ("seeds.jsonl", json.dumps({"task": "abc", "program": "O = vmirror(rot180(I))"})),
    ],
)
def test_programs_as_people_write_them(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read(tmp_path / name) == [("abc", TEXT)]


def test_a_folder_of_a_file_for_each_task(tmp_path):
    (tmp_path / "abc.py").write_text(SOLVER.replace("solve_abc", "solve"))
    (tmp_path / "._abc.py").write_bytes(b"\0")
    (tmp_path / "dsl.py").write_text("def vmirror(piece):\n    return piece\n")
    (tmp_path / "utils.py").write_text("def load(path):\n    return path\n")
    (tmp_path / "metadata.json").write_text("{}")
    assert read(tmp_path) == [("abc", TEXT)]


def test_a_folder_of_functions_of_any_name(tmp_path):
    for task in ("abc", "abd"):
        (tmp_path / f"{task}.py").write_text(ANONYMOUS)
    (tmp_path / "__init__.py").write_text("")
    assert read(tmp_path) == [("abc", TEXT), ("abd", TEXT)]


def test_a_file_of_a_folder_that_cannot_be_read_costs_no_other(tmp_path):
    (tmp_path / "a.py").write_text("def solve(I)\n    return I\n")
    (tmp_path / "abc.py").write_text(SOLVER)
    (tmp_path / "b.py").write_bytes(b"def solve(I):\xff")
    encoding, syntax, program = read_entries(tmp_path)
    assert "b.py: no UTF-8" in encoding.program
    assert "a.py, line 1: not Python" in syntax.program
    assert (program.task, program.program.text) == ("abc", TEXT)


def test_a_checkout_of_re_arc_is_its_verifiers(tmp_path):
    (tmp_path / "verifiers.py").write_text(VERIFIER)
    (tmp_path / "generators.py").write_text("def generate_abc(diff_lb, diff_ub):\n    return 1\n")
    assert read(tmp_path) == [("abc", TEXT)]


def test_a_task_can_be_given_for_the_only_program_of_a_file(tmp_path):
    file = tmp_path / "program.txt"
    for content in (ANONYMOUS, SOLVER, TEXT, json.dumps({"program": TEXT}), json.dumps({"task": "b", "program": TEXT})):
        file.write_text(content)
        assert [(entry.task, entry.program.text) for entry in read_entries(file, "zzz")] == [("zzz", TEXT)]
    lines = tmp_path / "program.jsonl"
    for row in ({"program": TEXT}, {"task": "b", "program": TEXT}):
        lines.write_text(json.dumps(row) + "\n")
        assert [(entry.task, entry.program.text) for entry in read_entries(lines, "zzz")] == [("zzz", TEXT)]
    file.write_text(SOLVER + VERIFIER)
    with pytest.raises(UsageError, match="2 programs, which cannot all be for task 'zzz'"):
        read_entries(file, "zzz")
    file.write_text("O = hmiror(I)")
    with pytest.raises(UsageError, match="line 1: unknown function 'hmiror'"):
        read_entries(file, "zzz")


@pytest.mark.parametrize(
    "dsl", ["def vmirror[[T](piece: T) -> T:\n    return piece\n", "match = (", "\0", "def replace(*, piece): pass"]
)
def test_a_dsl_that_cannot_be_read_is_no_obstacle(tmp_path, dsl):
    (tmp_path / "dsl.py").write_text(dsl)
    (tmp_path / "solvers.py").write_text(SOLVER)
    assert read(tmp_path / "solvers.py") == [("abc", TEXT)]


def test_one_function_that_is_no_python_leaves_the_others(tmp_path):
    broken = "def solve_b(I):\n    O = (\n    return O\n\n"
    (tmp_path / "solvers.py").write_text(f"import os\n\n{broken}{SOLVER}\n{broken.replace('_b', '_c')}")
    found = {entry.task: (entry.where, entry.program) for entry in read_entries(tmp_path / "solvers.py")}
    assert sorted(found) == ["abc", "b", "c"]
    assert found["abc"][0].endswith("line 7")
    assert found["abc"][1].text == TEXT
    assert found["b"][1].startswith("in the program, line 4: not Python")
    assert found["c"][1].startswith("in the program, line 14: not Python")


def test_which_function_is_meant_must_be_clear(tmp_path):
    (tmp_path / "abc.py").write_text(ANONYMOUS + ANONYMOUS.replace("p(g)", "q(g)"))
    with pytest.raises(UsageError, match=r"abc.py, which of 2 functions \(p, q\) is it"):
        read_entries(tmp_path / "abc.py")


def test_more_variables_than_a_policy_writes_are_no_obstacle(tmp_path):
    lines = "".join(f"    x{k + 1} = hmirror(x{k})\n" for k in range(1, 200))
    (tmp_path / "solvers.py").write_text(f"def solve_abc(I):\n    x1 = vmirror(I)\n{lines}    return x200\n")
    [(_, text)] = read(tmp_path)
    assert text.count("\n") == 199


def test_missing_files_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read seeds from .*none.jsonl: No such file"):
        read_entries(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"no solvers.py and no \.json file"):
        read_entries(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", '{"train": [], "test": []}', 'right is {"task": "...", "program": "..."}'),
        ("a.json", "{", "no JSON object"),
        ("a.json", '{"program": 5}', "right is"),
        ("a.json", '{"program": ""}', "in the program, line 1: an empty program"),
        ("a.json", json.dumps({"program": SOLVER + SOLVER}), "in the program, right is one function"),
        ("a.json", '{"program": "def f(I): pass"}', "in the program, line 1: the last statement must be `return O`"),
        ("a.json", '{"program": "class A:\\n def f(I): pass"}', "in the program, right is one function"),
        ("a.json", '{"program": "O = ' + "f" * 30_000 + '"}', "in the program, line 1: unknown name"),
        ("a.json", "[" * 100_000, "no JSON object"),
        ("a.jsonl", '{"task": "a", "program": ' + "1" * 5_000 + "}", "right is"),
        ("a.json", '{"program": "def solve_a(I:"}', "in the program, line 1: not Python"),
        ("a.jsonl", '{"program": "O = hmirror(I)"}', "right is"),
        ("a.jsonl", '{"task": "a", "program": null}', "right is"),
        ("a.jsonl", '{"task": "a", "program": "O = hmirror(I)", "origin": 1}', "right is"),
        ("a.jsonl", "x", "right is"),
    ],
)
def test_what_is_no_program_is_an_entry_with_its_problem(tmp_path, name, content, problem):
    (tmp_path / name).write_text(content)
    entries = read_entries(tmp_path / name)
    assert entries
    assert all(isinstance(entry.program, str) and entry.program.startswith(problem) for entry in entries)


def test_seeds_are_read_from_every_form(tmp_path):
    tasks = {task.id: task for task in load_tasks("arc1-train", limit=3)}
    (tmp_path / "solvers.py").write_text("def solve_007bbfb7(I):\n    O = hmirror(vmirror(I))\n    return O\n")
    [seed] = load_seeds(str(tmp_path), tasks)
    assert (seed.program.text, seed.origin) == ("x1 = vmirror(I)\nO = hmirror(x1)", "import")
    (tmp_path / "solvers.py").write_text("def solve_zzz(I):\n    O = hmirror(I)\n    return O\n")
    with pytest.raises(UsageError, match=r"solvers.py, line 1: task 'zzz' is not among the 3 training tasks"):
        load_seeds(str(tmp_path), tasks)
    (tmp_path / "none.json").write_text('{"program": null}')
    with pytest.raises(UsageError, match=r"none.json: no seed program"):
        load_seeds(str(tmp_path / "none.json"), tasks)


def test_a_limit_takes_the_first_seeds_by_task_and_is_the_same_again(tmp_path):
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    everything = load_seeds(None, tasks)
    some = load_seeds(None, tasks, limit=7)
    assert [seed.task for seed in some] == sorted(seed.task for seed in everything)[:7]
    assert load_seeds(None, tasks, limit=10_000) == sorted(everything, key=lambda seed: seed.task)
    written = tmp_path / "seeds.jsonl"
    written.write_text("".join(json.dumps(seed.row) + "\n" for seed in some))
    assert load_seeds(str(written), tasks, limit=7) == some


def test_seeds_of_tasks_that_the_set_lacks_are_left_out_and_counted(tmp_path, caplog):
    tasks = {task.id: task for task in load_tasks("arc1-train", limit=3)}
    (tmp_path / "seeds.jsonl").write_text(
        "".join(json.dumps({"task": task, "program": "O = hmirror(I)"}) + "\n" for task in ["zzz", *tasks, "yyy"])
    )
    assert [seed.task for seed in load_seeds(str(tmp_path / "seeds.jsonl"), tasks)] == list(tasks)
    [record] = caplog.records
    assert "2 of 5 seeds left out, whose tasks (yyy, zzz) are not among the 3 training tasks" in record.getMessage()
    caplog.clear()
    newer = {task.id: task for task in load_tasks("arc2-train")}
    assert len(load_seeds(None, newer)) > 100
    assert "embedded seeds: " in caplog.records[0].getMessage()
    assert "are not among the 1000 training tasks" in caplog.records[0].getMessage()
