"""Weights from training processes into a running vLLM, by vLLM's own IPC and NCCL engines, without their hardware."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import without_gpu
from tiny_models import save_t5
from without_gpu import pretend_a_gpu

from engine.cli import main
from engine.sampler import Sampler, SamplerConfig, SampleRequest, Transfer, open_sampler
from engine.sampler.host import hosting
from trainer.codec import Codec, CompactCodec
from trainer.config import TrainerConfig
from trainer.group import TrainerGroup
from trainer.policy import new_policy
from trainer.pretrained import add_lora, load_pretrained, load_tokenizer
from trainer.text.codec import TextCodec
from trainer.training import Trainer

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")

MAX_PROMPT, MAX_PROGRAM = 300, 24
GREEDY = SamplerConfig(max_tokens=MAX_PROGRAM, types=False, temperature=0.0, max_sequences=32, kv_cache_mib=32)
LEARNING = TrainerConfig(learning_rate=1e-2, warmup_steps=1, batch_tokens=1024, dtype="float32", device="cpu")
GENERATOR = np.random.default_rng(0)
GRIDS = [GENERATOR.integers(0, 10, GENERATOR.integers(2, 6, 2)).astype(np.int8) for _ in range(16)]
FUNCTIONS = ("hmirror", "vmirror", "dmirror", "cmirror", "rot90", "rot180", "rot270")
Written = dict[int, tuple[int, ...]]


def make_codec(source: Path | None) -> Codec:
    return CompactCodec(MAX_PROMPT) if source is None else TextCodec(load_tokenizer(str(source)), MAX_PROMPT, True)


def make_trainer(source: Path | None = None, lora_rank: int = 0, fails: str | None = None) -> Trainer:
    """In a training process: a compact policy, or the one of a folder, whose choices depend on the prompt.

    With `fails` it raises or dies where it should broadcast.
    """
    torch.set_num_threads(1)
    pretend_a_gpu(pytest.MonkeyPatch())
    if fails:
        without_gpu.Sending.broadcast = fail if fails == "raises" else lambda *_, **__: os._exit(1)
    codec = make_codec(source)
    length = MAX_PROMPT + MAX_PROGRAM
    policy = load_pretrained(str(source)) if source else new_policy("compact-tiny", len(codec.tokens), length, seed=3)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.ndim == 2:
                parameter.mul_(2 if source else 6)
    if lora_rank:
        add_lora(policy, lora_rank, seed=1)
    return Trainer(policy, codec, LEARNING)


class Learner:
    """Training processes, with a sampler that gets their weights."""

    def __init__(self, group: TrainerGroup, codec: Codec, folder: Path) -> None:
        self._group = group
        self._folder = folder
        self._codec = codec
        self.requests = [SampleRequest(tuple(codec.encode_prompt([(grid, grid)])), 1, seed=0) for grid in GRIDS[:6]]
        self.version = 1
        self.checkpoint = group.publish(folder / "1", 1)
        self.seen: list[Written] = []

    def learn(self) -> Path:
        """The checkpoint of the next version, which has learned another program than the last one."""
        self.version += 1
        text = f"O = {FUNCTIONS[self.version % len(FUNCTIONS)]}(I)"
        self._group.train([self._codec.example([(grid, grid)], text) for grid in GRIDS])
        self.checkpoint = self._group.publish(self._folder / str(self.version), self.version)
        return self.checkpoint

    def check(self, sampler: Sampler, is_new: bool = True) -> None:
        """It writes what transformers does with the checkpoint, and if that is new, what no earlier version wrote."""
        config = GREEDY.model_copy(update={"backend": "transformers"})
        with open_sampler(self.checkpoint, config, MAX_PROMPT + MAX_PROGRAM) as reference:
            written, wanted = ({s.request: s for s in each.sample(self.requests)} for each in (sampler, reference))
        assert written == wanted
        tokens = {number: sample.tokens for number, sample in written.items()}
        assert (tokens not in self.seen) == is_new
        self.seen.append(tokens)


@pytest.fixture(scope="class")
def no_gpu() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        pretend_a_gpu(patch)
        yield


@contextmanager
def learning(
    make: Callable[[], Trainer], processes: int, codec: Codec, folder: Path, transfer: Transfer
) -> Iterator[tuple[TrainerGroup, Learner, Sampler]]:
    """Training processes, what they learn, and a sampler that is connected with them, which writes as they do."""
    changes = {"transfer": transfer} | ({"kv_cache_mib": 256} if codec.kind == "seq2seq" else {})
    config = GREEDY.model_copy(update=changes)
    with TrainerGroup(make, processes) as group:
        learner = Learner(group, codec, folder)
        with open_sampler(learner.checkpoint, config, MAX_PROMPT + MAX_PROGRAM, group) as sampler:
            learner.check(sampler)
            yield group, learner, sampler


@contextmanager
def connected(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this block no engine starts, and nothing is read from a checkpoint."""
    with patch.context() as within:
        within.setattr("engine.sampler.vllm_sampler.open_engine", fail)
        within.setattr("engine.sampler.vllm.transports.load_file", fail)
        yield


@dataclass(frozen=True)
class Connection:
    """A training process, and a sampler that is connected with it."""

    transfer: Transfer
    group: TrainerGroup
    learner: Learner
    sampler: Sampler


class TestConnection:
    """One of each kind, in the order of the tests: the last one breaks it."""

    @pytest.fixture(scope="class", params=["ipc", "nccl"])
    def connection(
        self, request: pytest.FixtureRequest, no_gpu: None, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Connection]:
        folder = tmp_path_factory.mktemp(request.param)
        with learning(make_trainer, 1, make_codec(None), folder, request.param) as parts:
            yield Connection(request.param, *parts)

    def test_weights_come_from_a_training_process(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        swap_twice(connection.learner, connection.sampler, monkeypatch)

    def test_an_engine_that_fails_starts_again_and_is_connected_again(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from vllm.v1.engine.llm_engine import LLMEngine

        learner, sampler = connection.learner, connection.sampler
        before = sampler._engine
        with monkeypatch.context() as patch:
            patch.setattr(LLMEngine, "step", fail_once(LLMEngine.step))
            learner.check(sampler, is_new=False)
        assert sampler._engine is not before
        with connected(monkeypatch):
            sampler.swap(learner.learn())
        learner.check(sampler)

    def test_a_transfer_that_fails_is_an_error(self, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        from vllm.distributed.weight_transfer import WeightTransferEngine

        following = connection.learner.learn()
        monkeypatch.setattr(WeightTransferEngine, "update_weights", fail)
        with pytest.raises(RuntimeError, match=f"did not come by {connection.transfer} .*on purpose"):
            connection.sampler.swap(following)
        with pytest.raises(RuntimeError, match="closed"):
            connection.group.train([])


def swap_twice(learner: Learner, sampler: Sampler, patch: pytest.MonkeyPatch) -> None:
    """By the connection alone, and each time the new weights write."""
    for _ in range(2):
        with connected(patch):
            sampler.swap(learner.learn())
        learner.check(sampler)


@pytest.mark.parametrize("transfer", ["ipc", "nccl"])
def test_weights_come_from_two_training_processes(
    transfer: Transfer, no_gpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with learning(make_trainer, 2, make_codec(None), tmp_path, transfer) as (_, learner, sampler):
        swap_twice(learner, sampler, monkeypatch)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_t5_takes_weights_from_a_training_process(
    no_gpu: None, lora_rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_t5(tmp_path / "source")
    make = partial(make_trainer, source, lora_rank)
    with learning(make, 1, make_codec(source), tmp_path, "ipc") as (_, learner, sampler):
        with connected(monkeypatch):
            sampler.swap(learner.learn())
        learner.check(sampler)


@pytest.mark.parametrize("how", ["raises", "dies"])
def test_a_training_process_that_fails_in_a_broadcast_is_not_waited_for(how: str, no_gpu: None, tmp_path: Path) -> None:
    """The engine waits inside the broadcast, where only an abort of the communicator reaches it."""
    make = partial(make_trainer, fails=how)
    with learning(make, 1, make_codec(None), tmp_path, "nccl") as (_, learner, sampler):
        reason = "on purpose" if how == "raises" else "training process 0 of 1 died"
        with pytest.raises(RuntimeError, match=f"did not come by nccl .*{reason}"):
            sampler.swap(learner.learn())


class SourceOf033(ABC):
    """What vLLM 0.33 asks of a source of weights, where 0.32 iterates over it and calls `metadata`."""

    def __init_subclass__(cls) -> None:
        if "metadata" in vars(cls) and not isinstance(vars(cls)["metadata"], cached_property):
            raise TypeError("metadata must be a functools.cached_property")

    @property
    @abstractmethod
    def metadata(self) -> list[object]:
        """Name, type and shape of each tensor."""

    def iter_full(self) -> Iterator[tuple[str, torch.Tensor]]:
        raise NotImplementedError


def described(weights: dict[str, torch.Tensor]) -> list[tuple[str, torch.dtype, tuple[int, ...]]]:
    return [(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in weights.items()]


@pytest.mark.parametrize("version", ["installed", "0.33"])
def test_a_policy_is_a_source_of_its_weights_for_vllm_as_it_is_and_for_0_33(version: str) -> None:
    with hosting():
        from vllm.distributed.weight_transfer import WeightSource

        from engine.sampler.vllm.transfer import source_class
    base = SourceOf033 if version == "0.33" else WeightSource
    policy = new_policy("compact-tiny", 400, MAX_PROMPT, seed=0)
    weights = policy.state_dict()
    source = source_class(base)(policy, tuple(weights))
    metadata = source.metadata() if callable(source.metadata) else source.metadata
    assert [(meta.name, meta.dtype, meta.shape) for meta in metadata] == described(weights)
    for _ in range(2):  # each pass is a fresh one, of the weights as they are then
        passed = source.iter_full() if hasattr(base, "iter_full") else iter(source)
        assert all(torch.equal(tensor, weights[name]) for name, tensor in passed)
        with torch.no_grad():
            policy.model.norm.weight.add_(1)


def fail(*arguments: object, **options: object) -> None:
    raise RuntimeError("on purpose")


def fail_once(method: Callable[[object], object]) -> Callable[[object], object]:
    calls = []

    def failing(self: object) -> object:
        calls.append(self)
        return fail() if len(calls) == 1 else method(self)

    return failing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--sampler.transfer", "ipc"],
            "sampler.transfer ipc is for GPUs, and there is none: in_process works anywhere",
        ),
        (
            ["--sampler.transfer", "ipc", "--trainer.device", "cpu"],
            "sampler.transfer ipc is for weights on GPUs, and trainer.device is cpu",
        ),
        (["--trainer.device", "cuda"], "trainer.device is cuda, and there is no GPU: auto takes what there is"),
        (
            ["--sampler.transfer", "nccl", "--sampler.backend", "transformers"],
            "transfer nccl is for backend vllm, transformers has in_process alone",
        ),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_cannot_be_is_said(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--preset", "smoke", "--run-dir", str(tmp_path / "run"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_too_few_gpus_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    options = ["--sampler.transfer", "nccl", "--trainer.processes", "2"]
    assert main(["run", "--preset", "smoke", "--run-dir", str(tmp_path / "run"), *options]) == 2
    assert "trainer.processes 2 needs as many GPUs and the sampler another, but there are 2" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
