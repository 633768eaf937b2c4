"""`codeit bench cluster`: a Ray cluster on this machine with one, two, three nodes, and what each gives.

    runs_per_s       mutants of the seeds, evaluated on tasks; the findings are the same, which is checked
    samples_per_s    a compact policy, untrained; the share of samples that one process draws, too, is same_samples

Nodes are processes of this machine: with as many of them as processors, what is seen is what spreading costs, beside
the same work in one process just before (`alone`); more nodes than processors cannot be faster. Each is done twice, and
the second time counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.eval import mutants
from engine.cluster.local import local_cluster
from engine.cluster.session import Session
from engine.evaluation.batches import Batch
from engine.evaluation.runs import Questions
from engine.sampler import Sampler, SamplerConfig, SampleRequest, open_sampler
from engine.search.workers import Workers
from engine.tasks import load_tasks
from interpreter.machine.pool import default_workers
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.policy import new_policy
from trainer.training import Trainer

FUEL = 200_000
MAX_MODEL_LEN, PROMPTS = 384, 24


def measure(
    nodes: int, cpus: int, programs: int, tasks: int, samples: int, policy: str, backend: str, solvers: Path | None
) -> dict[str, Any]:
    """All figures, as one JSON object."""
    questions, batch = Questions(load_tasks("arc1-eval", limit=tasks)), _mutants(programs, solvers)
    requests = [SampleRequest(tuple(prompt), samples, number) for number, prompt in enumerate(_prompts())]
    config = SamplerConfig(backend=backend, max_tokens=96, kv_cache_mib=64)
    result: dict[str, Any] = {"processors": default_workers(), "cpus_a_node": cpus, "programs": len(batch.programs)}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = _checkpoint(Path(folder) / "v1", policy)
        with (
            Workers(cpus, FUEL) as workers,
            open_sampler(checkpoint, config, MAX_MODEL_LEN) as sampler,
            local_cluster(1, cpus) as cluster,
        ):
            for count in range(1, nodes + 1):
                if count > 1:
                    cluster.add()
                alone = _evaluated(questions, batch, workers), _sampled(sampler, requests)
                with Session(cluster.address) as session:
                    session.plan_replicas()
                    with session.workers(1, FUEL) as spread:
                        evaluated = _evaluated(questions, batch, spread)
                    with session.sampler(checkpoint, config, MAX_MODEL_LEN) as replicas:
                        sampled = _sampled(replicas, requests)
                if evaluated[1] != alone[0][1]:
                    raise RuntimeError("a cluster finds something else than one process: a bug")
                result[f"nodes_{count}"] = {
                    "runs_per_s": evaluated[0],
                    "runs_per_s_alone": alone[0][0],
                    "ratio_runs": round(evaluated[0] / alone[0][0], 2),
                    "samples_per_s": sampled[0],
                    "samples_per_s_alone": alone[1][0],
                    "ratio_samples": round(sampled[0] / alone[1][0], 2),
                    "same_samples": round(len(sampled[1] & alone[1][1]) / len(alone[1][1]), 4),
                }
    return result


def _evaluated(questions: Questions, batch: Batch, workers: Workers) -> tuple[int, Any]:
    return _rate(lambda: questions.run(batch, workers, lambda _done, _all: None), lambda found: found[1])


def _sampled(sampler: Sampler, requests: list[SampleRequest]) -> tuple[int, Any]:
    return _rate(lambda: {(s.request, s.index, s.tokens) for s in sampler.sample(requests)}, len)


def _rate(work: Callable[[], Any], count: Callable[[Any], int]) -> tuple[int, Any]:
    """What is done a second, the second time, and what it gives."""
    work()
    start = time.perf_counter()
    result = work()
    return round(count(result) / (time.perf_counter() - start)), result


def _mutants(count: int, solvers: Path | None) -> Batch:
    made = mutants(solvers, count)
    n = len(made)
    return Batch(made, np.full(n, -1), [""] * n, [None] * n, n, {}, None)


def _prompts() -> list[list[int]]:
    codec = CompactCodec(MAX_MODEL_LEN - 96)
    tasks = sorted(load_tasks("arc1-train"), key=lambda task: sum(grid.size for grid in task.inputs + task.outputs))
    return [codec.encode_prompt(task.demonstrations) for task in tasks[:PROMPTS]]


def _checkpoint(folder: Path, policy: str) -> Path:
    codec = CompactCodec(MAX_MODEL_LEN - 96)
    Trainer(new_policy(policy, len(codec.tokens), MAX_MODEL_LEN, seed=0), codec, TrainerConfig(device="cpu")).publish(
        folder, 1
    )
    return folder
