"""The cases, in the order in which they run: those that are known to go wrong come last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.device.variants import DIAGNOSES, LOOPS, PROCESSES, TRAININGS, VARIANTS
from engine.errors import UsageError


@dataclass(frozen=True)
class Case:
    """A function, `module:function` below `bench.device`, which takes a `Work` and gives a dict."""

    name: str
    function: str


PREPARE = Case("prepare", "work:prepare")
"""Makes what the others work on; always runs, and first."""
CASES = (
    Case("probe", "probe:probe"),
    *(Case(name, "sampling:measure_variant") for name in VARIANTS),
    Case("profile", "sampling:profile"),
    Case("vllm", "peers:measure_vllm"),
    Case("generate", "peers:measure_generate"),
    *(Case(name, "processes:measure_processes") for name in PROCESSES),
    Case("training", "training:check_training"),
    *(Case(name, "training:measure_training") for name in TRAININGS),
    *(Case(name, "whole:measure_loop") for name in LOOPS),
    *(Case(name, "sampling:measure_variant") for name in DIAGNOSES),
)


def chosen(cases: Sequence[Case], only: Sequence[str] | None) -> list[Case]:
    """The cases of some names, in the order of the names. Raises `UsageError` for a name that there is not."""
    named = {case.name: case for case in cases}
    if unknown := [name for name in only or () if name not in named]:
        raise UsageError(f"no case {', '.join(unknown)}; there are: {', '.join(named)}")
    return [named[name] for name in only] if only is not None else list(cases)
