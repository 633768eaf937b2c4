"""`codeit bench device`: whether everything is right on this machine's GPU, and how fast, in about ten minutes.

Each case is a process of its own with a time limit, because an error of CUDA poisons its process, and one that fails
stops none of the others. While a case measures, the next ones import what they need and wait. Each result is a line of
JSON, and the last line is one object with all of them. With `--tiny` the same cases run small, on a CPU too.

    cases     what there is, in order            running   processes, their limits and results
    work      policies, prompts, requests        probe     versions and the card
    variants  ways to sample                     sampling  tokens a second of each, and whether they are right
    peers     vLLM without the project, and `generate` of transformers
    one       the process of a case

Cases of other parts are modules here with a function that takes a `Work` and gives a dict, and their lines in `cases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def measure(
    only: Sequence[str] | None = None, limit: int = 600, case_limit: int = 150, together: int = 3, tiny: bool = False
) -> dict[str, Any]:
    """Run the cases, or those named in `only`. After `limit` seconds no other one begins.

    Raises `UsageError` for a case that there is not.
    """
    from bench.device.cases import CASES, chosen
    from bench.device.running import run_cases

    return run_cases(chosen(CASES, only), limit, case_limit, together, tiny)
