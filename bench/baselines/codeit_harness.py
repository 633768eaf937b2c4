"""The execution harness of the official CodeIt code (Qualcomm-AI-research/codeit), in its faster mode, with alarms."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.baselines.checkout import importable, require


def harness(checkout: Path) -> Callable[[str, tuple], object]:
    """The function (program text, input grid) -> output grid, or a text that says what went wrong.

    It runs as its evaluator runs it, without a limit on the size of a state. The package finds its own sources by
    cutting its path at the first "codeit", so it is loaded from a copy in a folder where that works.
    Raises `UsageError` for no checkout.
    """
    require(checkout, "codeit/policy/environment.py", "the official CodeIt code")
    with tempfile.TemporaryDirectory(prefix="official-") as folder:
        shutil.copytree(checkout / "codeit", Path(folder) / "codeit", ignore=shutil.ignore_patterns("data"))
        with importable(Path(folder)):
            environment = importlib.import_module("codeit.policy.environment")
    return partial(environment.execute_candidate_program, max_state_size=None, sig_alarm=True)
