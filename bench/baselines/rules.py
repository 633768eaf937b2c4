"""Which documented difference (`interpreter.differences`) explains that ours and the reference part ways."""

from __future__ import annotations

from bench.baselines.reference import Kind, Verdict
from interpreter.runtime.outcome import Outcome

# Of the reference's failures, by exception.
_THEIRS = {"RecursionError": "nesting", "MemoryError": "memory"}
_OURS = {
    Outcome.OUT_OF_RANGE: "range",
    Outcome.OUT_OF_FUEL: "fuel",
    Outcome.OUT_OF_MEMORY: "fuel",
    Outcome.TOO_DEEP: "fuel",
}


def rule_of(verdict: Verdict, outcome: Outcome) -> str | None:
    """The name of the rule that explains why one side gives a grid and the other fails; None where there is none.

    That two grids differ, no rule explains; nor a `type_mismatch` of ours, whose place the outcome does not tell.
    """
    if verdict.kind is Kind.FAILED and outcome is Outcome.OK:
        return _THEIRS.get(verdict.error)
    return _OURS.get(outcome) if verdict.kind is Kind.GRID else None
