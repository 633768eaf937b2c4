"""One round of samples: prompts of tasks in, executed programs out. Used by the loop and by evaluation.

Programs run while others are still being sampled: `sample_programs` hands over each one as soon as it is there, and
`Running` runs them on the pool in a thread of its own. What comes out is in order of task and text, so that it is the
same whatever was sampled first.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from engine.execution import Execution, Executor
from engine.sampler import Sample, Sampler, SampleRequest
from engine.tasks import Task
from interpreter.language.program import Program, ProgramError
from replay.experience import Origin, stored_program
from replay.store import ReplayStore
from trainer.codec import Codec
from trainer.errors import PromptTooLong

log = logging.getLogger(__name__)

# Programs that are not samples and are run at a time, to bound memory.
_CHUNK = 20_000

# In which order the programs of a meta-iteration are found.
_TURNS = (Origin.POLICY, Origin.SEARCH)

# Programs of one batch of the pool: enough to keep its workers busy, few enough to begin early.
_BATCH = 128

Update = Callable[..., None]
Work = tuple[str, Program]  # a task's id, and a program to run on its inputs
Item = TypeVar("Item")


@dataclass(frozen=True)
class Samples:
    """The programs that a policy wrote: how often each (task, program), in order of task and text."""

    counts: dict[Work, int]
    total: int
    seconds: float
    policy_version: int
    dropped: int = 0
    """Samples that are no program, which are not in `counts`."""

    @property
    def programs(self) -> set[str]:
        """Distinct canonical texts, whatever their task."""
        return {program.text for _, program in self.counts}


@dataclass(frozen=True)
class Rollout:
    """Executions of all distinct (task, program) of a round, in order of task and text.

    `seconds` is how long the pool was at it, most of it while others were sampled.
    """

    samples: Samples
    executions: list[Execution]
    runs: int
    seconds: float

    @property
    def valid_share(self) -> float:
        """Samples with at least one valid output grid on a demonstration, of all samples."""
        return self.share(lambda execution: execution.is_valid)

    def share(self, counts: Callable[[Execution], bool]) -> float:
        """The samples whose execution counts, of all samples."""
        numbers = self.samples.counts.values()
        found = sum(n for n, execution in zip(numbers, self.executions, strict=True) if counts(execution))
        return found / max(self.samples.total, 1)


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


class Running:
    """Programs that run in the background. A context manager, inside which nothing else uses the executor."""

    def __init__(self, executor: Executor, batch: int = _BATCH) -> None:
        self._executor = executor
        self._size = batch
        self._batch: list[Work] = []
        self._batches: list[list[Work]] = []
        self._results: list[Future[tuple[list[Execution], float]]] = []
        self._thread = ThreadPoolExecutor(1, "execute")

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, work: Work) -> None:
        """Take a program that was not added before. It runs as soon as a batch is full."""
        self._batch.append(work)
        if len(self._batch) == self._size:
            self._start()

    def rollout(self, samples: Samples) -> Rollout:
        """Wait for all that was added, which are the programs of `samples`. Raises what the pool raised."""
        self._start()
        found: dict[Work, Execution] = {}
        seconds = 0.0
        for batch, result in zip(self._batches, self._results, strict=True):
            executions, taken = result.result()
            found.update(zip(batch, executions, strict=True))
            seconds += taken
        return Rollout(samples, [found[work] for work in samples.counts], self._executor.runs(list(found)), seconds)

    def _start(self) -> None:
        if self._batch:
            self._batches.append(self._batch)
            self._results.append(self._thread.submit(self._run, self._batch))
            self._batch = []

    def _run(self, batch: list[Work]) -> tuple[list[Execution], float]:
        start = time.perf_counter()
        return self._executor.run(batch), time.perf_counter() - start


def sample_programs(
    prompts: Mapping[str, tuple[int, ...]],
    codec: Codec,
    sampler: Sampler,
    n: int,
    seed: Callable[[str], int],
    update: Update,
    found: Callable[[Work], None],
) -> Samples:
    """Sample `n` programs for each task's prompt; `seed` gives the seed of a task.

    `found` is called with each distinct (task, program) as soon as it is sampled.
    """
    tasks = list(prompts)
    requests = [SampleRequest(prompt, n, seed(task)) for task, prompt in prompts.items()]
    total = n * len(requests)
    counts: Counter[Work] = Counter()
    start = time.perf_counter()
    done = 0
    for done, sample in enumerate(sampler.sample(requests), 1):
        program = _program(sample, codec)
        if program is not None:
            work = (tasks[sample.request], program)
            counts[work] += 1
            if counts[work] == 1:
                found(work)
        update(done, total, f"{done / (time.perf_counter() - start):.1f} samples/s")
    seconds = time.perf_counter() - start
    if done < total:
        raise RuntimeError(f"the sampler ended after {done} of {total} samples")
    ordered = sorted(counts, key=lambda work: (work[0], work[1].text))
    dropped = total - counts.total()
    if dropped:
        log.warning("%d of %d samples are no program: their tokens ran out, or do not parse", dropped, total)
    return Samples({work: counts[work] for work in ordered}, total, seconds, sampler.policy_version, dropped)


def stored_executions(
    store: ReplayStore, executor: Executor, tasks: Container[str]
) -> Iterator[tuple[Execution, Origin]]:
    """All programs of policy and search that a store holds for `tasks`, run again, in order of discovery, with who
    found them: of each meta-iteration first those of the policy."""
    found = sorted(
        (number, _TURNS.index(origin), e.task, e.program)
        for e in store
        if e.task in tasks
        for number, origin in e.discoveries
    )
    for some in chunks(found):
        work = [(task, stored_program(task, text)) for _, _, task, text in some]
        executions = executor.run(work)
        yield from ((execution, _TURNS[turn]) for execution, (_, turn, _, _) in zip(executions, some, strict=True))


def chunks(found: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Programs in parts that are run at a time, to bound memory."""
    return (found[start : start + _CHUNK] for start in range(0, len(found), _CHUNK))


def _program(sample: Sample, codec: Codec) -> Program | None:
    """The canonical program of a sample; None if it is none, which the grammar rules out for finished samples."""
    if not sample.finished:
        return None
    try:
        return codec.decode(sample.tokens)
    except ProgramError as error:
        log.debug("a sample is no program: %s", error)
        return None
