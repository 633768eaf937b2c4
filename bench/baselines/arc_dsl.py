"""Programs as plain Python functions on arc-dsl (michaelhodel/arc-dsl), the way its own `solvers.py` is written."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.baselines.checkout import importable, require
from interpreter.language.program import Program

PythonGrid = tuple[tuple[int, ...], ...]


def python_functions(checkout: Path, programs: Sequence[Program]) -> list[Callable[[PythonGrid], PythonGrid]]:
    """One function a program, compiled by Python from a module of them all. Raises `UsageError` for no checkout."""
    for file in ("dsl.py", "constants.py"):
        require(checkout, file, "arc-dsl")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "arc_dsl_programs.py").write_text(_module(programs), encoding="utf-8")
        with importable(checkout, Path(folder)):
            module = importlib.import_module("arc_dsl_programs")
    return [getattr(module, f"program_{number}") for number in range(len(programs))]


def _module(programs: Sequence[Program]) -> str:
    """The source: names and arguments of parsed programs are names of the language, so nothing else can be in it."""
    functions = [
        "\n    ".join([f"def program_{number}(I):", *program.text.split("\n"), "return O"])
        for number, program in enumerate(programs)
    ]
    return "\n\n".join(["from dsl import *\nfrom constants import *", *functions]) + "\n"
