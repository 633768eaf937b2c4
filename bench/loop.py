"""`codeit bench loop`: what overlap gains: whole runs with `loop.max_staleness` 0 and 1, one after the other, in turns.

    overlap_ratio     seconds of a meta-iteration one phase after the other, over those with sampling beside training:
                      median of the rounds, each the median of the meta-iterations after the first
    strict, overlapped  of the last round: seconds of a meta-iteration, of its phases, and the busy shares of its parts

Both arms have the same processors (all that this process may use) and the same options: those of `codeit run`, such as
`--trainer.policy compact-8m`, change them. A run's first meta-iteration compiles and starts engines, and is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from engine.config import load_config
from engine.errors import UsageError

SIZES = [
    "--trainer.policy", "compact-3m", "--tasks.limit", "40", "--sampler.n-samples", "24",
    "--fill.mutants", "3000", "--replay.draw-policy", "200", "--replay.draw-mutated", "400", "--loop.threads", "1",
    "--loop.meta-iterations", "4",
]  # fmt: skip
ARMS = {"strict": "0", "overlapped": "1"}


def measure(seeds: str | None, repeats: int, overrides: Sequence[str]) -> dict[str, Any]:
    """All of it as one JSON object."""
    given = [*SIZES, *overrides]
    config = load_config("cpu", None, given)
    if config.loop.meta_iterations < 2:
        raise UsageError("--loop.meta-iterations: at least 2, because the first one is left out")
    rounds = [{arm: _run(staleness, given, seeds) for arm, staleness in ARMS.items()} for _ in range(repeats)]
    ratios = [one["strict"]["seconds"] / one["overlapped"]["seconds"] for one in rounds]
    return {"options": given, "overlap_ratio": round(median(ratios), 3), "ratios": [round(r, 3) for r in ratios]} | (
        rounds[-1]
    )


def _run(staleness: str, options: Sequence[str], seeds: str | None) -> dict[str, Any]:
    """Medians of a run's meta-iterations after the first."""
    with tempfile.TemporaryDirectory() as folder:
        seeded = ["--seeds", seeds] if seeds else []
        words = [*options, *seeded, "--loop.max-staleness", staleness, "--run-dir", f"{folder}/run"]
        run = subprocess.run([sys.executable, "-m", "engine.cli", "run", "--preset", "cpu", *words])
        if run.returncode:
            raise UsageError(f"the run of this bench ended with status {run.returncode}; its message stands above")
        _, *rows = [json.loads(line) for line in Path(folder, "run", "metrics.jsonl").read_text().splitlines()]
    busy = [{name: share for name, share in row.items() if name.startswith("busy_")} for row in rows]
    return {
        "seconds": median(row["seconds"] for row in rows),
        "phase_s": _medians([row["phase_s"] for row in rows]),
        **_medians(busy),
        "samples_per_s": round(median(row["samples_per_s"] for row in rows), 1),
    }


def _medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(row[name] for row in rows), 4) for name in rows[0]}
