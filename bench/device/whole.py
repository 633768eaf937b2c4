"""Whole meta-iterations on a device: `codeit run --preset gpu`, whose draws are full from the first on.

Replay is filled with so many mutants that 100,000 examples are drawn before the policy has written as many.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

from bench.device.variants import LOOPS
from bench.device.work import Work

_FULL = ["--fill.mutants", "110000", "--replay.draw-mutated", "100000", "--loop.meta-iterations", "3"]
_TINY = [
    "--trainer.policy", "compact-tiny", "--tasks.limit", "3", "--fill.mutants", "200", "--fill.heldout", "10",
    "--replay.draw-mutated", "20", "--trainer.max-prompt-tokens", "320", "--sampler.n-samples", "2",
    "--sampler.max-tokens", "32", "--loop.meta-iterations", "2", "--sampler.kv-cache-mib", "64",
]  # fmt: skip
_SECONDS = 110  # then a run is asked to stop: what it has measured counts
_PATIENCE = 25  # seconds that it then has to close, within a case's limit
_KEPT = (
    "examples", "loss", "heldout_loss", "valid_share", "samples", "samples_per_s", "runs_per_s", "swap_s",
    "padding_share", "solved_policy", "solved_cumulative", "seconds", "phase_s", "busy_trainer", "busy_sampler",
    "busy_pool", "busy_writer",
)  # fmt: skip


def measure_loop(work: Work) -> dict[str, Any]:
    """The meta-iterations of a run in the case's way."""
    folder = work.folder / work.name
    options = [*(_TINY if work.tiny else _FULL), *LOOPS[work.name], "--run-dir", str(folder)]
    command = [sys.executable, "-m", "engine.cli", "run", "--preset", "gpu", *options]
    process = subprocess.Popen(command)
    try:
        status = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        status = process.wait(_PATIENCE)
    file = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if status not in (0, 128 + signal.SIGTERM) or not rows:
        raise RuntimeError(f"the run ended with status {status} after {len(rows)} meta-iterations")
    return {"status": status, "meta_iterations": [{name: row[name] for name in _KEPT} for row in rows]}
