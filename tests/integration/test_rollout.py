"""A round of samples: programs run while others are still being sampled, and nothing else depends on that."""

import threading

import numpy as np
import pytest

from bench.material.wild import mutants
from engine.config import InterpreterConfig
from engine.execution import Executor, digest
from engine.loop.rollout import Running, sample_programs
from engine.sampler import Sample
from engine.tasks import load_tasks
from interpreter.language.program import parse
from interpreter.language.vocabulary import EOS, tokenize
from trainer.codec import CompactCodec

CODEC = CompactCodec(100)
TASKS = load_tasks("arc1-eval", limit=3)
PROMPTS = {task.id: (1,) for task in TASKS}
N = 120


class ScriptedSampler:
    """Writes given programs, sample k of each request the k-th; `order` says in which order they finish."""

    policy_version = 1

    def __init__(self, programs, order):
        self.programs = programs
        self.order = order

    def sample(self, requests):
        assert [request.n for request in requests] == [N] * len(TASKS)
        for request, k in self.order([(number, k) for number in range(len(requests)) for k in range(N)]):
            yield Sample(request, k, self.programs[k], self.policy_version, finished=self.programs[k][-1] == EOS)


@pytest.fixture(scope="module")
def programs():
    """Token ids: some twice, one that did not end, one with a dead line."""
    parent = parse("x1 = hmirror(I)\nO = vconcat(I, x1)")
    found = [tokenize(program) for program in mutants(parent, np.random.default_rng(0), 90, 10_000)]
    assert len(found) == 90
    dead_line = tokenize(parse("x1 = hmirror(I)\nx2 = vmirror(I)\nO = vconcat(I, x1)"))
    return [tuple(tokens) for tokens in (*found, *found[: N - 92], found[0][:-1], dead_line)]


@pytest.fixture(scope="module")
def executor():
    with Executor(TASKS, InterpreterConfig(workers=2)) as executor:
        yield executor


def roll(programs, executor, order, batch):
    sampler, updates = ScriptedSampler(programs, order), []
    with Running(executor, batch) as running:
        samples = sample_programs(
            PROMPTS, CODEC, sampler, N, hash, lambda done, total, note: updates.append((done, total)), running.add
        )
        rollout = running.rollout(samples)
    assert updates[-1] == (N * len(TASKS), N * len(TASKS))
    return rollout


def contents(rollout):
    executions = [(e.task, e.program, digest(e.outputs), digest(e.predictions)) for e in rollout.executions]
    return rollout.samples.counts, rollout.samples.total, rollout.runs, rollout.valid_share, executions


def test_neither_the_order_of_samples_nor_the_batches_show(programs, executor):
    together = roll(programs, executor, lambda keys: keys, batch=10**6)
    streamed = roll(programs, executor, lambda keys: keys[::-1], batch=7)
    assert contents(streamed) == contents(together)
    work = [(execution.task, execution.program) for execution in together.executions]
    assert work == sorted(set(work)) == [(task, program.text) for task, program in together.samples.counts]
    assert together.samples.dropped == len(TASKS)  # the unfinished ones
    assert sum(together.samples.counts.values()) == together.samples.total - len(TASKS)
    assert 0 < together.valid_share < 1


def test_programs_run_before_the_last_one_is_sampled(programs, executor, monkeypatch):
    ran = threading.Event()
    run = executor.run

    def watched(work):
        executions = run(work)
        ran.set()
        return executions

    def order(keys):
        yield from keys[:-1]
        assert ran.wait(60)
        yield keys[-1]

    monkeypatch.setattr(executor, "run", watched)
    assert roll(programs, executor, order, batch=50).executions


def test_an_error_while_sampling_or_running_is_raised_and_leaves_nothing_running(programs, executor, monkeypatch):
    def order(keys):
        yield from keys[:200]
        raise RuntimeError("no more samples")

    before = threading.enumerate()
    expected = contents(roll(programs, executor, iter, batch=20))
    with pytest.raises(RuntimeError, match="the sampler ended after 200 of 360 samples"):
        roll(programs, executor, lambda keys: keys[:200], batch=20)
    with pytest.raises(RuntimeError, match="no more samples"):
        roll(programs, executor, order, batch=20)
    with monkeypatch.context() as patch:
        patch.setattr(executor, "run", lambda work: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            roll(programs, executor, iter, batch=20)
    assert threading.enumerate() == before
    assert contents(roll(programs, executor, iter, batch=20)) == expected
