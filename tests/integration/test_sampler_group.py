"""Several sampling processes: the samples of one, new weights, bad input, deaths."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from test_sampler import MAX_MODEL_LEN, PROMPTS, RANDOM, make_policy, open_reference, publish

from engine.sampler import Sample, Sampler, SampleRequest, open_sampler
from engine.sampler.group import SamplerGroup
from trainer import processes
from trainer.errors import CheckpointError

REQUESTS = [SampleRequest(prompt, 4, seed=number) for number, prompt in enumerate(PROMPTS)]
TWO = RANDOM.model_copy(update={"processes": 2})


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return publish(make_policy(1), folder / "1", 1), publish(make_policy(2), folder / "2", 2)


@pytest.fixture(scope="module")
def wanted(checkpoints: tuple[Path, Path]) -> list[set[Sample]]:
    """What one process writes with each of the weights."""
    written = []
    for checkpoint in checkpoints:
        with open_reference(checkpoint, RANDOM) as sampler:
            written.append(set(sampler.sample(REQUESTS)))
    return written


@pytest.fixture(scope="module", params=["vllm", "transformers"])
def group(request: pytest.FixtureRequest, checkpoints: tuple[Path, Path]) -> Iterator[Sampler]:
    config = TWO.model_copy(update={"backend": request.param})
    with open_sampler(checkpoints[0], config, MAX_MODEL_LEN) as sampler:
        yield sampler


def test_samples_are_those_of_one_process_through_swaps(
    group: Sampler, checkpoints: tuple[Path, Path], wanted: list[set[Sample]]
) -> None:
    for version in (1, 2, 1):
        group.swap(checkpoints[version - 1])
        assert group.policy_version == version
        assert set(group.sample(REQUESTS)) == wanted[version - 1]
    assert set(group.sample(REQUESTS[:1])) == {sample for sample in wanted[0] if sample.request == 0}


def test_what_is_not_wanted_any_more_is_dropped(
    group: Sampler, checkpoints: tuple[Path, Path], wanted: list[set[Sample]]
) -> None:
    group.swap(checkpoints[0])
    many = [SampleRequest(prompt, 200, seed=9) for prompt in PROMPTS]
    stream = group.sample(many)
    next(stream)
    with pytest.raises(RuntimeError, match="still being drawn"):
        group.swap(checkpoints[1])
    stream.close()
    assert set(group.sample(REQUESTS)) == wanted[0]


def test_bad_input_is_refused_here_and_the_processes_go_on(
    group: Sampler, checkpoints: tuple[Path, Path], wanted: list[set[Sample]], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="request 1: n must be at least 1"):
        group.sample([REQUESTS[0], SampleRequest(PROMPTS[0], 0, seed=0)])
    with pytest.raises(CheckpointError):
        group.swap(publish(make_policy(1, "compact-1m"), tmp_path / "other", 3))
    group.swap(checkpoints[1])
    assert set(group.sample(REQUESTS)) == wanted[1]


def test_the_death_of_a_process_is_an_error_and_leaves_none_behind(
    checkpoints: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of processes as they are outside of tests, which import for themselves."""
    monkeypatch.setattr(processes, "CONTEXT", multiprocessing.get_context("spawn"))
    me = psutil.Process()
    before = set(me.children(recursive=True))
    sampler = open_sampler(checkpoints[0], TWO.model_copy(update={"backend": "transformers"}), MAX_MODEL_LEN)
    stream = sampler.sample([SampleRequest(prompt, 300, seed=9) for prompt in PROMPTS])
    next(stream)
    started = [process for process in me.children(recursive=True) if process not in before]
    workers = [process for process in started if "spawn_main" in " ".join(process.cmdline())]
    workers[0].kill()
    with pytest.raises(RuntimeError, match=r"sampling process \d of 2 died \(killed by signal 9"):
        list(stream)
    with pytest.raises(RuntimeError, match="closed"):
        sampler.sample(REQUESTS)
    assert not [process for process in workers if process.is_running()]
    sampler.close()


def test_weights_of_another_process_are_for_one_sampler() -> None:
    with pytest.raises(ValueError, match="transfer ipc is for one sampling process, not 2"):
        type(RANDOM)(transfer="ipc", processes=2)


class Odd(Exception):
    """One that cannot be made again from its arguments, so that it does not travel."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what)


def open_odd(*_: object) -> Sampler:
    raise Odd("broken", "on purpose")


def test_an_error_that_does_not_travel_is_one_all_the_same(checkpoints: tuple[Path, Path]) -> None:
    with pytest.raises(RuntimeError, match=r"sampling process \d of 2 failed: .*why"):
        SamplerGroup(open_odd, checkpoints[0], TWO, MAX_MODEL_LEN)
