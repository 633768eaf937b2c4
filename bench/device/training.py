"""Training on a device, beside layers that are not compiled: `codeit bench train` in the sizes of a GPU."""

from __future__ import annotations

from typing import Any

from bench.device.variants import TRAININGS
from bench.device.work import Work
from bench.train import measure


def measure_training(work: Work) -> dict[str, Any]:
    """The rates of the case's policy."""
    policy, compiled, examples = TRAININGS[work.name]
    if work.tiny:
        return measure("compact-tiny", "auto", "auto", "off", None, 12, 2048, 1)
    return measure(policy, "auto", "auto", compiled, None, examples, 32768, 2)
