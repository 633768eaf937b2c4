"""Several processes that sample on one device, on as many prompts as a meta-iteration has.

`equal_samples` is the share that one process wrote, too, token for token: only rounding tells them apart. `right` is as
in `sampling`.
"""

from __future__ import annotations

import time
from typing import Any

from bench.device.sampling import check, compared, round_of
from bench.device.variants import PROCESSES
from bench.device.work import LONGEST, Work, memory
from engine.sampler import SampleRequest, open_sampler

PROMPTS, SAMPLES = 400, 24
ROUNDS = 3


def measure_processes(work: Work) -> dict[str, Any]:
    """The rates of the case's number of processes."""
    config = work.config(**PROCESSES[work.name])
    requests = work.requests if work.tiny else work.many(PROMPTS, SAMPLES)
    start = time.perf_counter()
    with open_sampler(work.checkpoints[0], config, LONGEST) as sampler:
        opened = time.perf_counter() - start
        list(sampler.sample(requests))  # warms up
        timed = [round_of(sampler, work, requests) for _ in range(ROUNDS)]
        few = [SampleRequest(request.prompt, min(request.n, 4), request.seed) for request in requests[::16]]
        used = memory().get("gpu_used_gib")
        sampler.swap(work.checkpoints[1])
        swapped = list(sampler.sample(few))
    samples = timed[-1][1]
    return {
        "config": PROCESSES[work.name],
        "samples": len(samples),
        "tokens_per_s": [round(rate.tokens) for rate, _ in timed],
        "samples_per_s": [round(rate.samples, 1) for rate, _ in timed],
        "opened_s": round(opened, 1),
        "swapped": check(work, work.checkpoints[1], few, swapped, config.dtype),
        **compared(work, samples, next(iter(PROCESSES))),
        "gpu_used_gib": used,
    }
