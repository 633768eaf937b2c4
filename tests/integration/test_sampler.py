"""Both samplers on real engines: what they write, new weights, reproducibility, bad input, failures.

The policy is tiny, random and scaled up, so that its choices depend on weights and prompt and no two tokens tie.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from engine.sampler import Sample, Sampler, SamplerConfig, SampleRequest, open_sampler
from interpreter.language.grammar import Grammar
from interpreter.language.program import parse
from interpreter.language.vocabulary import BOS, EOS, detokenize, tokenize
from trainer.checkpoint import MODEL, publishing, write_vocabulary
from trainer.codec import CompactCodec, vocabulary_hash
from trainer.policy import load_policy, new_policy

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")

CODEC = CompactCodec(max_prompt_tokens=200)
VOCABULARY = len(CODEC.tokens)
RANDOM = SamplerConfig(max_tokens=24, types=False, max_sequences=32, kv_cache_mib=32)
GREEDY = RANDOM.model_copy(update={"temperature": 0.0})
MAX_MODEL_LEN = 256


def make_prompt(seed: int, length: int) -> tuple[int, ...]:
    return (*random.Random(seed).choices(range(VOCABULARY - 100, VOCABULARY), k=length), BOS)


# More than three blocks of vLLM's prefix cache, so that a swap that forgot to reset it would be seen.
PROMPTS = [make_prompt(seed, length) for seed, length in enumerate((100, 130, 180, 33, 5))]


def make_policy(seed: int, name: str = "compact-tiny", vocabulary: int = VOCABULARY) -> LlamaForCausalLM:
    policy = new_policy(name, vocabulary, max_positions=256, seed=seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
    return policy.eval()


def publish(policy: LlamaForCausalLM, folder: Path, policy_version: int, codec: CompactCodec = CODEC) -> Path:
    with publishing(folder, policy_version) as partial:
        policy.save_pretrained(partial)
        write_vocabulary(partial, codec)
    return folder


def greedy(policy: LlamaForCausalLM, prompt: Sequence[int]) -> tuple[int, ...]:
    """The reference: transformers over the whole sequence for each token, and the grammar."""
    grammar = Grammar(GREEDY.max_tokens)
    state, tokens = grammar.start(), []
    while EOS not in tokens:
        logits = last_logits(policy, [*prompt, *tokens])
        allowed = torch.from_numpy(np.flatnonzero(grammar.allowed(state)))
        tokens.append(int(allowed[logits[allowed].argmax()]))
        state = grammar.advance(state, tokens[-1])
    return tuple(tokens)


def last_logits(policy: LlamaForCausalLM, tokens: Sequence[int]) -> torch.Tensor:
    """One thread, because threads that wait for each other crawl where other work wants the processors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            return policy(torch.tensor([tokens]), use_cache=False).logits[0, -1]
    finally:
        torch.set_num_threads(threads)


def open_reference(checkpoint: Path, config: SamplerConfig) -> Sampler:
    """The sampler of transformers."""
    return open_sampler(checkpoint, config.model_copy(update={"backend": "transformers"}), MAX_MODEL_LEN)


def draw(sampler: Sampler, requests: Sequence[SampleRequest]) -> dict[tuple[int, int], Sample]:
    samples = {(sample.request, sample.index): sample for sample in sampler.sample(requests)}
    assert len(samples) == sum(request.n for request in requests)
    return samples


def requests(n: int = 1) -> list[SampleRequest]:
    return [SampleRequest(prompt, n, seed=1000 + number) for number, prompt in enumerate(PROMPTS)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(make_policy(seed=0), tmp_path_factory.mktemp("first") / "1", policy_version=1)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(make_policy(seed=1), tmp_path_factory.mktemp("second") / "2", policy_version=2)


class TestGreedy:
    """One vLLM engine without randomness; each test leaves it with the first checkpoint."""

    @pytest.fixture(scope="class")
    def sampler(self, first: Path) -> Iterator[Sampler]:
        with open_sampler(first, GREEDY, MAX_MODEL_LEN) as sampler:
            yield sampler

    @pytest.fixture(scope="class")
    def wanted(self, first: Path, second: Path) -> dict[int, list[tuple[int, ...]]]:
        """By policy version, what the reference writes for each prompt."""
        folders = {1: first, 2: second}
        policies = {version: load_policy(folder, CODEC.tokens).eval() for version, folder in folders.items()}
        return {version: [greedy(policy, prompt) for prompt in PROMPTS] for version, policy in policies.items()}

    def check(self, sampler: Sampler, wanted: dict[int, list[tuple[int, ...]]], version: int) -> None:
        samples = draw(sampler, requests())
        assert sampler.policy_version == version
        for number, tokens in enumerate(wanted[version]):
            assert samples[number, 0] == Sample(number, 0, tokens, version, finished=True)

    def test_weights_are_swapped_to_and_fro(
        self, sampler: Sampler, wanted: dict[int, list[tuple[int, ...]]], first: Path, second: Path
    ) -> None:
        """A -> B -> A on prompts that are already in the prefix cache, and stale weights would show."""
        assert all(a != b for a, b in zip(wanted[1], wanted[2], strict=True))
        self.check(sampler, wanted, version=1)
        sampler.swap(second)
        self.check(sampler, wanted, version=2)
        self.check(sampler, wanted, version=2)
        sampler.swap(first)
        self.check(sampler, wanted, version=1)

    def test_a_stale_head_would_show(self, wanted: dict[int, list[tuple[int, ...]]], first: Path, second: Path) -> None:
        """What a swap gives that forgets the packed copy of the tied embedding differs from what is asserted above."""
        stale = load_policy(second, CODEC.tokens).eval()
        stale.lm_head.weight = torch.nn.Parameter(load_policy(first, CODEC.tokens).lm_head.weight)
        assert [greedy(stale, prompt) for prompt in PROMPTS] != wanted[2]

    def test_transformers_with_shared_prefill_writes_the_same(
        self, wanted: dict[int, list[tuple[int, ...]]], first: Path, second: Path
    ) -> None:
        with open_reference(first, GREEDY) as sampler:
            self.check(sampler, wanted, version=1)
            sampler.swap(second)
            self.check(sampler, wanted, version=2)

    def test_greedy_samples_of_a_request_are_alike(self, sampler: Sampler) -> None:
        samples = draw(sampler, requests(n=3))
        assert all(samples[number, 0].tokens == samples[number, 2].tokens for number in range(len(PROMPTS)))

    @pytest.mark.parametrize("backend", ["vllm", "transformers"])
    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            ("vocabulary", "another vocabulary"),
            ("architecture", "another architecture: .*hidden_size"),
            ("shape", "model.norm.weight is .*128"),
            ("type", "model.norm.weight is .*BF16"),
            ("missing tensor", "model.norm.weight is absent"),
            ("no checkpoint", "is no checkpoint"),
        ],
    )
    def test_a_wrong_checkpoint_is_refused_and_the_old_weights_stay(
        self, request: pytest.FixtureRequest, first: Path, tmp_path: Path, backend: str, damage: str, message: str
    ) -> None:
        wanted = request.getfixturevalue("wanted")
        wrong = make_wrong_checkpoint(tmp_path / "wrong", damage)
        sampler = request.getfixturevalue("sampler") if backend == "vllm" else open_reference(first, GREEDY)
        with pytest.raises(ValueError, match=message):
            sampler.swap(wrong)
        self.check(sampler, wanted, version=1)

    def test_bad_requests_are_refused_and_the_engine_goes_on(
        self, sampler: Sampler, wanted: dict[int, list[tuple[int, ...]]]
    ) -> None:
        with pytest.raises(ValueError, match=f"request 1: id {VOCABULARY} at position 2"):
            sampler.sample([*requests()[:1], SampleRequest((5, 6, VOCABULARY), 1, 0)])
        with pytest.raises(ValueError, match="1 to 232 tokens"):
            sampler.sample([SampleRequest((5,) * 233, 1, 0)])
        self.check(sampler, wanted, version=1)

    def test_one_stream_at_a_time_and_the_rest_is_dropped_when_it_is_closed(
        self, sampler: Sampler, wanted: dict[int, list[tuple[int, ...]]], first: Path
    ) -> None:
        stream = sampler.sample(requests(n=8))
        next(stream)
        with pytest.raises(RuntimeError, match="still being drawn"):
            sampler.sample(requests())
        with pytest.raises(RuntimeError, match="still being drawn"):
            sampler.swap(first)
        stream.close()
        sampler.swap(first)
        self.check(sampler, wanted, version=1)

    def test_a_transfer_that_fails_starts_the_engine_from_the_new_checkpoint(
        self,
        sampler: Sampler,
        wanted: dict[int, list[tuple[int, ...]]],
        first: Path,
        second: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from engine.sampler.vllm.transfer import InProcessTransfer

        with monkeypatch.context() as patch:
            patch.setattr(InProcessTransfer, "finish_weight_update", fail)
            sampler.swap(second)
        self.check(sampler, wanted, version=2)
        sampler.swap(first)
        self.check(sampler, wanted, version=1)


class TestRandom:
    """One vLLM engine at the temperature of the search."""

    @pytest.fixture(scope="class")
    def sampler(self, first: Path) -> Iterator[Sampler]:
        with open_sampler(first, RANDOM, MAX_MODEL_LEN) as sampler:
            yield sampler

    @pytest.fixture(scope="class")
    def samples(self, sampler: Sampler) -> dict[tuple[int, int], Sample]:
        return draw(sampler, requests(n=24))

    @pytest.mark.parametrize("backend", ["vllm", "transformers"])
    def test_every_sample_is_a_program_within_the_limit(
        self, request: pytest.FixtureRequest, first: Path, backend: str
    ) -> None:
        if backend == "vllm":
            samples = request.getfixturevalue("samples")
        else:
            samples = draw(open_reference(first, RANDOM), requests(n=24))
        check_programs(list(samples.values()), RANDOM.max_tokens)
        assert len({sample.tokens for sample in samples.values()}) > len(samples) / 2

    def test_seeds_decide_the_samples_whatever_the_batch(
        self, sampler: Sampler, samples: dict[tuple[int, int], Sample]
    ) -> None:
        assert draw(sampler, requests(n=24)) == samples
        turned = draw(sampler, requests(n=24)[::-1])
        assert {(len(PROMPTS) - 1 - number, k): sample.tokens for (number, k), sample in turned.items()} == {
            key: sample.tokens for key, sample in samples.items()
        }
        alone = draw(sampler, [SampleRequest(PROMPTS[2], 2, seed=1002)])
        assert [alone[0, k].tokens for k in range(2)] == [samples[2, k].tokens for k in range(2)]
        other = draw(sampler, [SampleRequest(PROMPTS[2], 2, seed=1)])
        assert [other[0, k].tokens for k in range(2)] != [samples[2, k].tokens for k in range(2)]

    def test_transformers_samples_depend_on_seed_and_index_alone(self, first: Path) -> None:
        with open_reference(first, RANDOM) as sampler:
            many = draw(sampler, requests(n=6))
            few = draw(sampler, requests(n=2)[::-1])
        with open_reference(first, RANDOM.model_copy(update={"max_sequences": 4})) as sampler:
            assert draw(sampler, requests(n=6)) == many
        for number in range(len(PROMPTS)):
            assert [few[len(PROMPTS) - 1 - number, k].tokens for k in range(2)] == [
                many[number, k].tokens for k in range(2)
            ]

    def test_transformers_writes_the_same_samples(self, first: Path, samples: dict[tuple[int, int], Sample]) -> None:
        """Token for token: both add the same noise to logits that differ by rounding alone."""
        with open_reference(first, RANDOM) as sampler:
            assert draw(sampler, requests(n=24)) == samples

    @pytest.mark.parametrize("backend", ["vllm", "transformers"])
    def test_first_tokens_have_the_probabilities_of_the_policy(
        self, request: pytest.FixtureRequest, first: Path, backend: str
    ) -> None:
        """Chi-squared of 1000 first tokens against the softmax at this temperature, five deviations allowed."""
        prompt, n = PROMPTS[4], 1000
        logits = last_logits(load_policy(first, CODEC.tokens), prompt).double()
        grammar = Grammar(RANDOM.max_tokens)
        allowed = np.flatnonzero(grammar.allowed(grammar.start()))
        expected = n * (logits[allowed] / RANDOM.temperature).softmax(-1).numpy()
        sampler = request.getfixturevalue("sampler") if backend == "vllm" else open_reference(first, RANDOM)
        samples = draw(sampler, [SampleRequest(prompt, n, seed=7)])
        counts = np.bincount([sample.tokens[0] for sample in samples.values()], minlength=VOCABULARY)[allowed]
        common = expected >= 5
        pairs = [*zip(counts[common], expected[common], strict=True), (counts[~common].sum(), expected[~common].sum())]
        assert len(pairs) > 10
        assert sum((count - mean) ** 2 / mean for count, mean in pairs) < len(pairs) + 5 * (2 * len(pairs)) ** 0.5

    def test_an_engine_that_fails_is_started_again_and_no_sample_is_lost(
        self,
        sampler: Sampler,
        samples: dict[tuple[int, int], Sample],
        first: Path,
        second: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With the weights of the last swap, which are not those that it was opened with."""
        from vllm.v1.engine.llm_engine import LLMEngine

        steps, step = iter(range(10**6)), LLMEngine.step

        def flaky(engine: LLMEngine) -> object:
            if next(steps) == 10:
                raise RuntimeError("a kernel failed")
            return step(engine)

        sampler.swap(second)
        expected = draw(sampler, requests(n=4))
        with monkeypatch.context() as patch:
            patch.setattr(LLMEngine, "step", flaky)
            assert draw(sampler, requests(n=4)) == expected
        sampler.swap(first)
        assert draw(sampler, requests(n=24)) == samples

    def test_an_engine_that_keeps_failing_is_an_error(self, sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        from vllm.v1.engine.llm_engine import LLMEngine

        with monkeypatch.context() as patch:
            patch.setattr(LLMEngine, "step", fail)
            with pytest.raises(RuntimeError, match="on purpose"):
                draw(sampler, requests())
        assert draw(sampler, requests())


@pytest.mark.parametrize("typed", [False, True])
def test_an_untrained_policy_writes_programs_only(tmp_path: Path, typed: bool) -> None:
    """All of 600 samples, each as it is: nothing is repaired, cut or dropped."""
    checkpoint = publish(new_policy("compact-tiny", VOCABULARY, max_positions=256, seed=0), tmp_path / "1", 1)
    changes = {"max_tokens": 40, "max_sequences": 256, "types": typed, "kv_cache_mib": 64}
    options = RANDOM.model_copy(update=changes)
    with open_sampler(checkpoint, options, MAX_MODEL_LEN) as sampler:
        check_programs(list(draw(sampler, requests(n=120)).values()), options.max_tokens)


ENDINGS = {
    "closed": "list(stream); sampler.close()",
    "closed in the middle": "sampler.close()",
    "not closed": "list(stream)",
    "not closed, in the middle": "",
    "exit": "sys.exit(0)",
}
# Imports once what takes longest, and becomes a process for each ending, which writes into files of its own.
ENDING = f"""
import os, sys
from pathlib import Path
from engine.sampler import *
import preloaded
for number, ending in enumerate(sys.argv[2:]):
    if not os.fork():
        for descriptor in (1, 2):
            os.dup2(os.open(f"{{number}}.{{descriptor}}", os.O_WRONLY | os.O_CREAT), descriptor)
        sampler = open_sampler(Path(sys.argv[1]), {RANDOM!r}, {MAX_MODEL_LEN})
        stream = sampler.sample([SampleRequest((5, {BOS}), 8, 0)])
        next(stream)
        exec(ending)
        break
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_process_ends_silently_and_leaves_none_behind(first: Path, tmp_path: Path) -> None:
    paths = os.pathsep.join(map(str, Path(__file__).parents[1:3]))
    environment = {**os.environ, "CODEIT_TEST_SAMPLER": str(os.getpid()), "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", ENDING, first, *ENDINGS.values()], capture_output=True, text=True, cwd=tmp_path,
        env=environment, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n" * len(ENDINGS), "")
    written = {(ending, k): (tmp_path / f"{n}.{k}").read_text() for n, ending in enumerate(ENDINGS) for k in (1, 2)}
    assert written == dict.fromkeys(written, "")
    assert [process.pid for process in psutil.process_iter() if is_marked(process, environment)] == []


@pytest.mark.parametrize("blocks", [512, 24])
def test_schedulers_give_the_same_samples(first: Path, monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    """Whoever decides on steps, however many begin together, and with a cache in which few sequences fit."""
    from engine.sampler.vllm.scheduler import ProgramScheduler

    monkeypatch.setattr(SamplerConfig, "kv_cache_bytes", blocks * 32 * 1024)
    decided, go_on = [], ProgramScheduler._go_on

    def listen(scheduler: ProgramScheduler) -> object:
        decided.append((data := go_on(scheduler)) is not None)
        return data

    monkeypatch.setattr(ProgramScheduler, "_go_on", listen)
    drawn = []
    for changes in ({"scheduler": "vllm"}, {}, {"admit_together": 5}):
        config = RANDOM.model_copy(update={"max_tokens": 72, "max_sequences": 12} | changes)
        with open_sampler(first, config, MAX_MODEL_LEN) as sampler:
            drawn.append(draw(sampler, requests(n=8)))
            stream = sampler.sample(requests(n=8))
            next(stream)
            stream.close()  # in the middle
            drawn.append(draw(sampler, requests(n=8)))
    assert all(samples == drawn[0] for samples in drawn)
    assert any(decided)
    assert all(decided) == (blocks == 512)


def test_preempted_samples_are_the_same(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of a few sequences: vLLM preempts the rest in the middle and computes them again."""
    from vllm.v1.core.sched.scheduler import Scheduler

    preempted, preempt = [], Scheduler._preempt_request

    def count(*arguments: object, **options: object) -> None:
        preempted.append(arguments)
        preempt(*arguments, **options)

    monkeypatch.setattr(Scheduler, "_preempt_request", count)
    drawn = []
    for blocks in (512, 16):
        cache = blocks * 32 * 1024  # blocks of 32 tokens; 2 layers x (key, value) x 64 floats a token
        monkeypatch.setattr(SamplerConfig, "kv_cache_bytes", cache)
        with open_sampler(first, RANDOM.model_copy(update={"max_tokens": 72}), MAX_MODEL_LEN) as sampler:
            drawn.append(draw(sampler, requests(n=4)))
        assert bool(preempted) == (blocks == 16)
    assert drawn[0] == drawn[1]


def process_state() -> dict[str, object]:
    """What a sampler could disturb in its process."""
    return {
        "environment": dict(os.environ),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.set_num_threads),
        "torch modes": (torch.is_grad_enabled(), torch.get_default_dtype()),
        "children": [child.pid for child in psutil.Process().children(recursive=True)],
    }


def test_the_process_is_left_as_it_was(first: Path, second: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The environment, generators and threads of the process are not the sampler's; nothing is printed."""
    before, threads = process_state(), set(threading.enumerate())
    sampler = open_sampler(first, RANDOM, MAX_MODEL_LEN)
    assert process_state() == before
    draw(sampler, requests(n=4))
    sampler.swap(second)
    draw(sampler, requests(n=4))
    assert process_state() == before
    sampler.close()
    sampler.close()
    assert process_state() == before
    assert set(threading.enumerate()) <= threads
    assert not torch.distributed.is_initialized()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(RuntimeError, match="closed"):
        sampler.sample(requests())


def test_options_that_the_policy_cannot_serve_are_refused(first: Path) -> None:
    for backend in ("vllm", "transformers"):
        with pytest.raises(ValueError, match="256 positions"):
            open_sampler(first, SamplerConfig(backend=backend, max_tokens=24), max_model_len=512)
    with pytest.raises(ValueError, match="'vllm' or 'transformers'"):
        SamplerConfig(backend="llama.cpp")


def check_programs(samples: Sequence[Sample], max_tokens: int) -> None:
    """Each is a program that parses, and is written in no other tokens."""
    for sample in samples:
        program = detokenize(sample.tokens)
        assert parse(program.text) == program
        assert tuple(tokenize(program)) == sample.tokens
        assert sample.finished
        assert len(sample.tokens) <= max_tokens


def is_marked(process: psutil.Process, environment: dict[str, str]) -> bool:
    try:
        return process.environ().get("CODEIT_TEST_SAMPLER") == environment["CODEIT_TEST_SAMPLER"]
    except psutil.Error:
        return False


def fail(*arguments: object) -> None:
    raise RuntimeError("on purpose")


def make_wrong_checkpoint(folder: Path, damage: str) -> Path:
    """A complete checkpoint that is not one of the running policy."""
    if damage == "no checkpoint":
        return folder
    if damage == "vocabulary":
        codec = CompactCodec(max_prompt_tokens=200)
        codec.tokens = (*codec.tokens, "<new>")
        codec.vocabulary_hash = vocabulary_hash(codec.tokens)
        return publish(make_policy(seed=2, vocabulary=VOCABULARY + 1), folder, 9, codec)
    if damage == "architecture":
        return publish(make_policy(seed=2, name="compact-3m"), folder, 9)
    with publishing(folder, policy_version=9) as partial:
        make_policy(seed=2).save_pretrained(partial)
        write_vocabulary(partial, CODEC)
        weights = load_file(partial / MODEL)
        norm = weights.pop("model.norm.weight")
        if damage == "shape":
            weights["model.norm.weight"] = torch.cat([norm, norm])
        elif damage == "type":
            weights["model.norm.weight"] = norm.bfloat16()
        save_file(weights, partial / MODEL)
    return folder
