"""The import graph: dependencies point one way, and light things stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "interpreter": set(),
    "replay": {"interpreter"},
    "trainer": {"interpreter", "replay"},
    "engine": {"interpreter", "replay", "trainer"},
    "bench": {"interpreter", "replay", "trainer", "engine"},
}


def modules(file):
    """Names of the modules that a file imports, deferred imports included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module


def imports(file):
    """Top-level names of the packages that a file imports."""
    return {module.split(".")[0] for module in modules(file)}


@pytest.mark.parametrize("package", ALLOWED)
def test_dependencies_point_one_way(package):
    files = list((ROOT / package).rglob("*.py"))
    for file in files:
        ours = imports(file) & set(ALLOWED) - {package}
        assert ours <= ALLOWED[package], f"{file} imports {ours - ALLOWED[package]}"


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
        ("trainer.text_grammar", {"torch", "vllm", "transformers"}),
        ("engine.sampler", {"torch", "vllm", "transformers"}),
        ("engine.sampler.t5", {"torch", "vllm", "transformers", "numba", "numpy"}),
        ("engine.commands.launch", {"torch", "vllm", "transformers"}),
        ("engine.cli", {"torch", "vllm", "transformers", "numba", "numpy", "pydantic", "rich"}),
    ],
)
def test_light_modules_do_not_import_heavy_ones(module, heavy):
    code = f"import sys, {module}; print([name for name in {sorted(heavy)} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
