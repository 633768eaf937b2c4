"""One round of samples: prompts of tasks in, executed programs out. Used by the loop and by evaluation."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.execution import Execution, Executor
from engine.sampler import Sample, Sampler, SampleRequest
from engine.tasks import Task
from interpreter.program import Program, ProgramError, parse
from replay.experience import Origin
from replay.store import ReplayStore
from trainer.codec import Codec, PromptTooLong

log = logging.getLogger(__name__)

# Stored programs that are run again at a time, to bound memory.
_CHUNK = 20_000

Update = Callable[..., None]


@dataclass(frozen=True)
class Samples:
    """The programs that a policy wrote: how often each (task, program), in order of task and text."""

    counts: dict[tuple[str, Program], int]
    total: int
    seconds: float
    dropped: int = 0
    """Samples that are no program, which are not in `counts`."""

    @property
    def programs(self) -> set[str]:
        """Distinct canonical texts, whatever their task."""
        return {program.text for _, program in self.counts}


@dataclass(frozen=True)
class Rollout:
    """Executions of all distinct (task, program) of a round, in order of task and text."""

    samples: Samples
    executions: list[Execution]
    runs: int
    seconds: float

    @property
    def valid_share(self) -> float:
        """Samples with at least one valid output grid on a demonstration, of all samples."""
        counts = self.samples.counts.values()
        valid = sum(n for n, execution in zip(counts, self.executions, strict=True) if execution.is_valid)
        return valid / max(self.samples.total, 1)


def request_seed(run_seed: int, meta_iteration: int, task: str) -> int:
    """The seed of a task's samples: a hash, so that no order of work alters it. The sampler adds the index."""
    state = hashlib.blake2b(f"{run_seed} {meta_iteration} {task}".encode(), digest_size=8)
    return int.from_bytes(state.digest()) >> 1


def encode_prompts(tasks: Sequence[Task], codec: Codec) -> dict[str, tuple[int, ...]]:
    """The prompt of each task. One that does not fit is left out, with a warning: its task is not sampled."""
    prompts = {}
    for task in tasks:
        try:
            prompts[task.id] = tuple(codec.encode_prompt(task.demonstrations))
        except PromptTooLong as error:
            log.warning("task %s is not sampled: %s", task.id, error)
    return prompts


def sample_programs(
    prompts: Mapping[str, tuple[int, ...]],
    codec: Codec,
    sampler: Sampler,
    n: int,
    seed: Callable[[str], int],
    update: Update,
) -> Samples:
    """Sample `n` programs for each task's prompt; `seed` gives the seed of a task."""
    tasks = list(prompts)
    requests = [SampleRequest(prompt, n, seed(task)) for task, prompt in prompts.items()]
    total = n * len(requests)
    found: Counter[tuple[str, Program]] = Counter()
    start = time.perf_counter()
    for done, sample in enumerate(sampler.sample(requests), 1):
        program = _program(sample, codec)
        if program is not None:
            found[tasks[sample.request], program] += 1
        update(done, total, f"{done / (time.perf_counter() - start):.1f} samples/s")
    seconds = time.perf_counter() - start
    ordered = sorted(found, key=lambda item: (item[0], item[1].text))
    dropped = total - found.total()
    if dropped:
        log.warning("%d of %d samples are no program: their tokens ran out, or do not parse", dropped, total)
    return Samples({item: found[item] for item in ordered}, total, seconds, dropped)


def execute_samples(samples: Samples, executor: Executor) -> Rollout:
    """Run every distinct program of a round on its task's inputs."""
    start = time.perf_counter()
    work = list(samples.counts)
    executions = executor.run(work)
    return Rollout(samples, executions, executor.runs(work), time.perf_counter() - start)


def stored_executions(store: ReplayStore, executor: Executor, tasks: Container[str]) -> Iterator[Execution]:
    """All programs of the policy that a store holds for `tasks`, run again, in order of discovery."""
    found = [(e.meta_iteration, e.task, e.program) for e in store if e.origin is Origin.POLICY and e.task in tasks]
    found.sort()
    for start in range(0, len(found), _CHUNK):
        yield from executor.run([(task, parse(program)) for _, task, program in found[start : start + _CHUNK]])


def _program(sample: Sample, codec: Codec) -> Program | None:
    """The canonical program of a sample; None if it is none, which the grammar rules out for finished samples."""
    if not sample.finished:
        return None
    try:
        return codec.decode(sample.tokens)
    except ProgramError as error:
        log.debug("a sample is no program: %s", error)
        return None
