"""Which documented difference (`interpreter.differences`) explains that ours and the reference part ways."""

from __future__ import annotations

from bench.baselines.reference import Verdict
from interpreter.outcome import Outcome


def rule_of(verdict: Verdict, outcome: Outcome) -> str | None:
    """The name of the rule that explains a difference; None where there is none."""
    return None
