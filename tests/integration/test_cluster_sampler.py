"""Sampling on a Ray cluster: replicas write what one process writes, through new weights and deaths."""

import os
import signal
import tempfile
from pathlib import Path

import psutil
import pytest
from test_sampler import MAX_MODEL_LEN, PROMPTS, RANDOM, make_policy, open_reference, publish

from engine.cli import main
from engine.cluster.config import ClusterConfig
from engine.cluster.local import local_cluster
from engine.cluster.session import Session
from engine.errors import UsageError
from engine.sampler import SampleRequest
from trainer.checkpoint import TRAINING, load_manifest
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.policy import new_policy
from trainer.training import Trainer

pytestmark = pytest.mark.slow
REQUESTS = [SampleRequest(prompt, 4, seed=number) for number, prompt in enumerate(PROMPTS)]
CONFIG = RANDOM.model_copy(update={"backend": "transformers"})


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(3) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return publish(make_policy(1), folder / "1", 1), publish(make_policy(2), folder / "2", 2)


@pytest.fixture(scope="module")
def wanted(checkpoints):
    """What one process writes with each of the weights."""
    written = []
    for checkpoint in checkpoints:
        with open_reference(checkpoint, RANDOM) as sampler:
            written.append(set(sampler.sample(REQUESTS)))
    return written


def test_a_run_and_an_evaluation_are_those_of_one_machine(cluster, tmp_path, monkeypatch):
    """Whole commands, each with a connection of its own; the policy is random, and search finds what is found."""
    monkeypatch.setattr("report.commands.end_in_report", lambda _folder: None)
    values = {
        "trainer.policy": "compact-tiny", "trainer.max-prompt-tokens": "320", "sampler.backend": "transformers",
        "sampler.processes": "1", "sampler.n-samples": "4", "sampler.max-tokens": "32", "fill.mutants": "200",
        "seeds.limit": "20", "replay.draw-mutated": "20", "replay.draw-policy": "10", "loop.meta-iterations": "2",
        "loop.threads": "1", "interpreter.workers": "1", "tasks.limit": "4", "search.runs": "50000",
        "search.minutes": "0",
    }  # fmt: skip
    options = [word for name, value in values.items() for word in (f"--{name}", value)]
    run = ["run", "--preset", "smoke", *options]
    assert main([*run, "--run-dir", str(tmp_path / "one")]) == 0
    assert main([*run, "--run-dir", str(tmp_path / "three"), "--cluster", cluster.address]) == 0
    for name in ("solutions.jsonl", "search/search.jsonl"):
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    evaluation = ["eval", "--model", str(max((tmp_path / "one" / "checkpoints").glob("v*"))), "--limit", "3"]
    small = ["--samples", "4", "--sampler.backend", "transformers", "--interpreter.workers", "1"]
    for out, where in (("e1", []), ("e3", ["--cluster", cluster.address])):
        assert main([*evaluation, *small, "--out", str(tmp_path / out), *where]) == 0
    written = [(tmp_path / out / "samples-0.jsonl").read_text() for out in ("e1", "e3")]
    assert written[0].count("\n") > 3
    assert written[0] == written[1]


@pytest.fixture(scope="module")
def session(cluster):
    before = signal.getsignal(signal.SIGTERM)
    with Session(cluster.address) as opened:
        assert signal.getsignal(signal.SIGTERM) is before  # who asks for an end gets one, with everything closed
        yield opened


@pytest.fixture(scope="module")
def sampler(session, checkpoints):
    with session.sampler(checkpoints[0], CONFIG, MAX_MODEL_LEN) as opened:
        yield opened


def replicas():
    return [
        process for process in psutil.Process().children(recursive=True) if process.name().startswith("ray::Replica")
    ]


def test_samples_are_those_of_one_process_through_swaps(sampler, checkpoints, wanted):
    assert len(replicas()) == 3
    for version in (1, 2, 1):
        sampler.swap(checkpoints[version - 1])
        assert sampler.policy_version == version
        assert set(sampler.sample(REQUESTS)) == wanted[version - 1]
    assert set(sampler.sample(REQUESTS[:1])) == {sample for sample in wanted[0] if sample.request == 0}


def test_what_is_not_wanted_any_more_is_dropped(sampler, checkpoints, wanted):
    stream = sampler.sample([SampleRequest(prompt, 100, seed=9) for prompt in PROMPTS])
    next(stream)
    with pytest.raises(RuntimeError, match="still being drawn"):
        sampler.swap(checkpoints[1])
    stream.close()
    assert set(sampler.sample(REQUESTS)) == wanted[0]


def test_a_killed_replica_costs_time_only(sampler, checkpoints, wanted):
    """It comes back with the weights of the day."""
    sampler.swap(checkpoints[1])
    stream = sampler.sample(REQUESTS)
    os.kill(replicas()[0].pid, signal.SIGKILL)
    assert sorted(stream, key=str) == sorted(wanted[1], key=str)
    assert set(sampler.sample(REQUESTS)) == wanted[1]


def test_where_all_replicas_begin_anew_everything_is_sampled(sampler, checkpoints, wanted):
    for process in replicas():
        process.kill()
    sampler.swap(checkpoints[0])
    assert set(sampler.sample(REQUESTS)) == wanted[0]


def test_prompts_that_end_every_replica_end_the_command(sampler, checkpoints, wanted, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sampler, "_answers", lambda: [(seat, None) for seat in sampler._seats if seat.requests])
        with pytest.raises(UsageError, match="cannot sample: 3 replicas died of the same prompts"):
            list(sampler.sample(REQUESTS))
    assert set(sampler.sample(REQUESTS)) == wanted[0]


def test_a_killed_node_costs_time_only(cluster, sampler, checkpoints, wanted):
    stream = sampler.sample(REQUESTS)
    cluster.kill(cluster.nodes[-1])
    assert sorted(stream, key=str) == sorted(wanted[1], key=str)
    sampler.swap(checkpoints[0])
    assert set(sampler.sample(REQUESTS)) == wanted[0]
    cluster.add()


def test_what_training_goes_on_from_stays_on_the_head(tmp_path):
    from engine.cluster.replica import read_weights, write_weights

    codec = CompactCodec(64)
    policy = new_policy("compact-tiny", len(codec.tokens), 128, seed=0)
    Trainer(policy, codec, TrainerConfig(device="cpu")).publish(tmp_path / "v3", 3)
    weights = read_weights(tmp_path / "v3")
    write_weights(weights, tmp_path / "there")
    assert (tmp_path / "v3" / TRAINING).is_dir()
    assert not (tmp_path / "there" / TRAINING).exists()
    assert load_manifest(tmp_path / "there", verify_hash=True).policy_version == 3


def test_a_closed_sampler_leaves_nothing_behind(sampler):
    before = set(Path(tempfile.gettempdir()).glob("codeit-replica-*"))
    sampler.close()
    assert len(before - set(Path(tempfile.gettempdir()).glob("codeit-replica-*"))) == 2  # of those that live


def test_gpus_that_are_not_there_are_a_line(session):
    for asked, said in (
        (ClusterConfig(gpus=2), r"^cluster\.gpus 2: the cluster has 0 GPUs$"),
        (ClusterConfig(replicas=9), "room for 3 replicas of 1 processors on 3 nodes, not for 9"),
    ):
        session._config = asked
        with pytest.raises(UsageError, match=said):
            session.plan_replicas()
