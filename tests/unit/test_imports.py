"""The import graph: dependencies point one way, and light things stay light."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "interpreter": set(),
    "replay": {"interpreter"},
    "trainer": {"interpreter", "replay"},
    "engine": {"interpreter", "replay", "trainer"},
    "report": {"interpreter", "replay", "trainer", "engine"},
    "bench": {"interpreter", "replay", "trainer", "engine", "report"},
}


# Which folders of a package a folder may import; one that is not named may import any.
ROOMS = {
    "interpreter.runtime": set(),
    "interpreter.primitives": {"runtime"},
    "interpreter.language": {"runtime", "primitives"},
    "interpreter.machine": {"runtime", "primitives", "language"},
    "interpreter.mutation": {"runtime", "primitives", "language", "machine"},
    "interpreter.enumeration": {"runtime", "primitives", "language", "machine"},
    "interpreter.encoding": {"runtime", "primitives", "language"},
    "interpreter.dropin": {"runtime", "primitives", "language", "machine"},
}
OURS = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in ALLOWED
    for file in (ROOT / package).rglob("*.py")
}


@cache
def imported(file):
    """(module, name) of all that a file imports, deferred imports included; the name is empty for a whole module."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found += [(node.module, alias.name) for alias in node.names]
    return found


def modules(file):
    """Names of the modules that a file imports."""
    return [module for module, _ in imported(file)]


def modules_of_ours(file):
    """Those of our modules that a file imports: of `from engine import tasks`, engine.tasks."""
    named = {name if (name := f"{module}.{part}") in OURS else module for module, part in imported(file)}
    return named & OURS.keys()


def short_names():
    """Every short name of a module, `interpreter.program`, by the table in the file of its package."""
    for package in ALLOWED:
        for node in ast.walk(ast.parse((ROOT / package / "__init__.py").read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "short_names":
                yield from (f"{package}.{name}" for name in ast.literal_eval(node.args[1]))


def imports(file):
    """Top-level names of the packages that a file imports."""
    return {module.split(".")[0] for module in modules(file)}


@pytest.mark.parametrize("package", ALLOWED)
def test_dependencies_point_one_way(package):
    files = list((ROOT / package).rglob("*.py"))
    for file in files:
        ours = imports(file) & set(ALLOWED) - {package}
        assert ours <= ALLOWED[package], f"{file} imports {ours - ALLOWED[package]}"


def test_no_module_imports_itself_by_way_of_others():
    """No circle in any package, imports inside functions and for type checkers included."""
    graph = {module: modules_of_ours(file) - {module} for module, file in OURS.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules that import each other: {' <- '.join(error.args[1])}")
    assert set(order) == set(OURS)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_of_a_package_import_those_below_them(room):
    package, folder = room.split(".")
    rooms = {path.name for path in (ROOT / package).iterdir() if path.is_dir()}
    files = list((ROOT / package / folder).rglob("*.py"))
    assert files
    for file in files:
        used = {module.split(".")[1] for module in modules_of_ours(file) if module.startswith(f"{package}.")}
        wrong = used & rooms - ROOMS[room] - {folder}
        assert not wrong, f"{file} imports {wrong}"


def test_we_import_modules_by_their_full_names():
    short = set(short_names())
    assert "interpreter.program" in short
    for file in OURS.values():
        used = {module for module, _ in imported(file)} | {f"{module}.{name}" for module, name in imported(file)}
        assert not used & short, f"{file} imports {used & short}"


def test_numba_is_talked_to_in_one_place():
    """`native` compiles, `pointers` is what it hands on; nobody else knows how."""
    of_numba = {
        file.relative_to(ROOT / "interpreter").as_posix()
        for file in (ROOT / "interpreter").rglob("*.py")
        if imports(file) & {"numba", "llvmlite"}
    }
    assert of_numba == {"runtime/native.py", "runtime/pointers.py"}
    assert "njit" not in (ROOT / "interpreter/runtime/pointers.py").read_text()
    assert not any("numba" in imports(file) for package in ALLOWED if package != "interpreter"
                   for file in (ROOT / package).rglob("*.py"))  # fmt: skip


def test_ray_is_talked_to_in_one_place():
    """One machine does without it: nothing but `engine.cluster` imports it."""
    of_ray = {file for package in ALLOWED for file in (ROOT / package).rglob("*.py") if "ray" in imports(file)}
    assert of_ray
    assert {file.parent for file in of_ray} == {ROOT / "engine/cluster"}


def test_the_plugin_of_vllm_stands_alone():
    """`engine.sampler.t5` imports nothing of ours but itself."""
    files = list((ROOT / "engine/sampler/t5").glob("*.py"))
    assert len(files) > 1
    for file in files:
        ours = {module for module in modules(file) if module.split(".")[0] in ALLOWED}
        assert all(f"{module}.".startswith("engine.sampler.t5.") for module in ours), f"{file} imports {ours}"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("interpreter.machine.machine", {"torch", "vllm", "transformers"}),
        ("interpreter.machine.pool", {"torch", "vllm", "transformers"}),
        ("replay.store", {"torch", "vllm", "numba.cuda.cudadrv"}),
        ("trainer.codec", {"torch", "vllm", "transformers"}),
        ("trainer.text.grammar", {"torch", "vllm", "transformers"}),
        ("trainer.config", {"torch", "vllm", "transformers", "numba", "numpy"}),
        ("engine.sampler", {"torch", "vllm", "transformers"}),
        ("engine.sampler.t5", {"torch", "vllm", "transformers", "numba", "numpy"}),
        ("engine.commands.launch", {"torch", "vllm", "transformers", "ray"}),
        ("engine.commands.search", {"torch", "vllm", "transformers", "ray"}),
        ("engine.commands.evaluate", {"torch", "vllm", "transformers", "ray"}),
        ("engine.cluster.session", {"torch", "vllm", "transformers", "ray"}),
        ("engine.loop.loop", {"vllm", "ray"}),
        ("engine.cli", {"torch", "vllm", "transformers", "numba", "numpy", "pydantic_settings", "rich"}),
    ],
)
def test_light_modules_do_not_import_heavy_ones(module, heavy):
    code = f"import sys, {module}; print([name for name in {sorted(heavy)} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
