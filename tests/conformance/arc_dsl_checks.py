"""arc-dsl's own files run on a given DSL, in a process of their own: `python arc_dsl_checks.py FOLDER KIND DSL`.

KIND is `tests` or `solvers`; DSL is `ours`, which puts `interpreter.dropin.dsl` in the place of arc-dsl's modules, or
`reference`. Writes one JSON object to standard output. Assertions that hold a lambda are counted, not run.
"""

import ast
import json
import sys
import time
from importlib import import_module
from pathlib import Path


def has_lambda(node):
    return any(isinstance(part, ast.Lambda) for part in ast.walk(node))


def run_assertions(folder):
    """How each lambda-free statement of each test function ends: the names of those that fail, with the reason."""
    tree = ast.parse((folder / "tests.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    space = {}
    exec(compile(ast.Module([node for node in tree.body if node not in functions], []), "tests.py", "exec"), space)
    counts = {"functions": len(functions), "ran": 0, "lambdas": 0, "failed": {}}
    for function in functions:
        for number, statement in enumerate(function.body, 1):
            if has_lambda(statement):
                counts["lambdas"] += 1
                continue
            counts["ran"] += 1
            try:
                exec(compile(ast.Module([statement], []), "tests.py", "exec"), space)
            except Exception as error:
                counts["failed"][f"{function.name} {number}"] = repr(error)
    return counts


def run_solvers():
    """Which solvers reproduce all pairs of their task, and the seconds that all took."""
    from engine.tasks import load_tasks

    module = import_module("solvers")
    solved, wrong = [], {}
    tasks = load_tasks("arc1-train")
    getattr(module, f"solve_{tasks[0].id}")(tuple(map(tuple, tasks[0].inputs[0].tolist())))  # loads the machine
    seconds = 0.0
    for task in tasks:
        solve = getattr(module, f"solve_{task.id}")
        inputs = [tuple(map(tuple, grid.tolist())) for grid in (*task.inputs, *task.test_inputs)]
        outputs = [tuple(map(tuple, grid.tolist())) for grid in (*task.outputs, *task.test_outputs)]
        start = time.perf_counter()
        try:
            found = [solve(grid) for grid in inputs]
        except Exception as error:
            found = []
            wrong[task.id] = repr(error)
        seconds += time.perf_counter() - start
        if found == outputs:
            solved.append(task.id)
        else:
            wrong.setdefault(task.id, "another grid")
    return {"solved": solved, "wrong": wrong, "seconds": seconds}


def main(folder, kind, dsl):
    sys.path.insert(0, str(folder))
    if dsl == "ours":
        sys.modules["dsl"] = sys.modules["constants"] = import_module("interpreter.dropin.dsl")
    result = run_assertions(folder) if kind == "tests" else run_solvers()
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
