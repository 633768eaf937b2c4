"""All analyses by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.analysis.abstractions import abstractions
from engine.analysis.failures import failures
from engine.analysis.forgetting import forgetting
from engine.analysis.length import length
from engine.analysis.refinement import refinement
from engine.analysis.relabelling import relabelling
from engine.analysis.subject import Subject
from interpreter.language.program import Program

Solvers = Mapping[str, Sequence[Program]]

ANALYSES: dict[str, Callable[[Subject, Solvers], dict[str, Any]]] = {
    "forgetting": lambda subject, _solvers: forgetting(subject),
    "refinement": lambda subject, _solvers: refinement(subject),
    "length": lambda subject, _solvers: length(subject),
    "relabelling": lambda subject, _solvers: relabelling(subject),
    "abstractions": lambda subject, solvers: abstractions(subject, _texts(solvers)),
    "failures": failures,
}


def _texts(solvers: Solvers) -> list[str]:
    return [program.text for programs in solvers.values() for program in programs]


def analyse(name: str, subject: Subject, solvers: Solvers | None = None) -> dict[str, Any]:
    """The data of an analysis: {"analysis": name, "path": folder, "kind": "run", "search" or "evaluation", ...}, the
    rest by its module. `solvers` are known programs by task, for `failures` and `abstractions`."""
    data = ANALYSES[name](subject, {} if solvers is None else solvers)
    return {"analysis": name, "path": str(subject.path), "kind": subject.kind, **data}
