"""Pretrained policies end to end: loaded, trained, published, resumed, sampled by both samplers, swapped.

The models are tiny and random, the tokenizers real: see `tiny_models`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_qwen, save_t5
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from engine.config import load_config
from engine.errors import UsageError
from engine.loop.components import new_codec, new_sampler, new_trainer
from engine.loop.rollout import sample_programs
from engine.sampler import Sample, Sampler, SamplerConfig, SampleRequest, open_sampler
from engine.sampler.constraint import policy_grammar
from trainer.checkpoint import load_codec, load_manifest
from trainer.codec import Codec
from trainer.config import TrainerConfig
from trainer.errors import CheckpointError
from trainer.examples import Example
from trainer.policy import load_policy
from trainer.pretrained import add_lora, load_pretrained, load_tokenizer
from trainer.text.codec import TextCodec
from trainer.training import Trainer
from trainer.updates.batches import Batch
from trainer.updates.loss import ProgramLoss

pytestmark = pytest.mark.usefixtures("one_thread")

MAX_PROMPT, MAX_PROGRAM = 200, 60
LEARNING = TrainerConfig(learning_rate=3e-3, warmup_steps=5, batch_tokens=2048, dtype="float32", device="cpu")
SEED = 5
SAMPLING = SamplerConfig(max_tokens=MAX_PROGRAM, max_sequences=32, kv_cache_mib=64)
SAVE: dict[str, Callable[..., Path]] = {"seq2seq": save_t5, "causal": save_qwen}
PROGRAMS = {
    "O = hmirror(I)": lambda grid: grid[::-1],
    "O = vmirror(I)": lambda grid: grid[:, ::-1],
    "x1 = hmirror(I)\nO = vconcat(I, x1)": lambda grid: np.vstack([grid, grid[::-1]]),
    "O = hconcat(I, I)": lambda grid: np.hstack([grid, grid]),
}

needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")


@pytest.fixture(scope="module", params=["seq2seq", "causal"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def source(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SAVE[kind](tmp_path_factory.mktemp("pretrained") / kind)


@pytest.fixture(scope="module")
def codec(kind: str, source: Path) -> TextCodec:
    return TextCodec(load_tokenizer(str(source)), MAX_PROMPT, is_seq2seq=kind == "seq2seq")


@pytest.fixture(scope="module")
def published(source: Path, codec: TextCodec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that has learned its examples somewhat."""
    trainer, examples = make_trainer(source, codec), make_examples(codec)
    before = trainer.heldout_loss(examples)
    for _ in range(12):
        result = trainer.train(examples)
    assert result.loss < before / 4
    return trainer.publish(tmp_path_factory.mktemp("published") / "1", policy_version=1)


@pytest.fixture(scope="module")
def sharp(kind: str, codec: TextCodec, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions of a random policy whose choices depend on all weights and on the prompt, without ties."""
    folder, folders = tmp_path_factory.mktemp("sharp"), []
    for version in (1, 2):
        trainer = make_trainer(SAVE[kind](folder / f"source{version}", seed=version), codec)
        with torch.no_grad():
            for name, parameter in trainer.policy.named_parameters():
                if parameter.ndim == 2 and name != "shared.weight":
                    parameter.mul_(2.5 if codec.is_seq2seq else 6)
            if codec.is_seq2seq:
                trainer.policy.decoder.final_layer_norm.weight.mul_(8)
        folders.append(trainer.publish(folder / str(version), version))
    return folders


@pytest.fixture(scope="module")
def wanted(sharp: list[Path], codec: TextCodec) -> list[list[tuple[int, ...]]]:
    """By version, what the reference writes for each prompt of `make_requests`."""
    policies = [load_policy(folder, codec.tokens).eval() for folder in sharp]
    prompts = [request.prompt for request in make_requests(codec)]
    return [[greedy(policy, codec, prompt) for prompt in prompts] for policy in policies]


def make_pairs(program: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(seed)
    grids = [generator.integers(0, 3, generator.integers(2, 5, 2)).astype(np.int8) for _ in range(2)]
    return [(grid, PROGRAMS[program](grid)) for grid in grids]


def make_examples(codec: Codec, count: int = 32) -> list[Example]:
    names = [list(PROGRAMS)[index % len(PROGRAMS)] for index in range(count)]
    return [codec.example(make_pairs(name, seed), name) for seed, name in enumerate(names)]


def make_trainer(source: Path, codec: Codec) -> Trainer:
    return Trainer(load_pretrained(str(source)), codec, LEARNING, SEED)


def sampling(checkpoint: Path, **changes: object) -> Sampler:
    """A sampler with some other options than `SAMPLING`."""
    config = SAMPLING.model_copy(update=changes)
    return open_sampler(checkpoint, config, MAX_PROMPT + config.max_tokens)


def make_requests(codec: Codec, n: int = 1) -> list[SampleRequest]:
    prompts = [codec.encode_prompt(make_pairs(program, seed)) for seed, program in enumerate(PROGRAMS)]
    return [SampleRequest(tuple(prompt), n, seed) for seed, prompt in enumerate(prompts)]


def draw(sampler: Sampler, requests: Sequence[SampleRequest]) -> dict[tuple[int, int], Sample]:
    samples = {(sample.request, sample.index): sample for sample in sampler.sample(requests)}
    assert len(samples) == sum(request.n for request in requests)
    return samples


def greedy(policy: Any, codec: TextCodec, prompt: Sequence[int]) -> tuple[int, ...]:
    """The reference: transformers over the whole sequence for each token, and the grammar."""
    grammar = policy_grammar(codec, MAX_PROGRAM, typed=False)
    state, tokens = grammar.start(), []
    while len(tokens) < MAX_PROGRAM and codec.eos not in tokens:
        if codec.is_seq2seq:
            read = {"input_ids": torch.tensor([prompt]), "decoder_input_ids": torch.tensor([[0, *tokens]])}
        else:
            read = {"input_ids": torch.tensor([[*prompt, *tokens]])}
        with torch.no_grad():
            logits = policy(**read, use_cache=False).logits[0, -1]
        allowed = grammar.ids[grammar.allowed(state)]
        tokens.append(int(allowed[logits[torch.from_numpy(allowed)].argmax()]))
        state = grammar.advance(state, tokens[-1])
    return tuple(tokens)


def test_a_loaded_policy_computes_what_transformers_does_layer_by_layer(
    kind: str, source: Path, codec: TextCodec
) -> None:
    reference = (AutoModelForSeq2SeqLM if codec.is_seq2seq else AutoModelForCausalLM).from_pretrained(source)
    example = make_examples(codec, 1)[0]
    if codec.is_seq2seq:
        read = {"input_ids": torch.tensor([example.prompt]), "decoder_input_ids": torch.tensor([example.program])}
    else:
        read = {"input_ids": torch.tensor([example.prompt + example.program])}
    with torch.no_grad():
        outputs = [
            model.eval()(**read, output_hidden_states=True) for model in (load_pretrained(str(source)), reference)
        ]
    layers = ["encoder_hidden_states", "decoder_hidden_states"] if codec.is_seq2seq else ["hidden_states"]
    assert torch.equal(outputs[0].logits, outputs[1].logits)
    for name in layers:
        assert len(outputs[0][name]) == 3  # the embeddings and two layers
        assert all(torch.equal(a, b) for a, b in zip(outputs[0][name], outputs[1][name], strict=True))


def test_the_loss_is_that_of_transformers_on_program_tokens(source: Path, codec: TextCodec) -> None:
    policy, examples = load_pretrained(str(source)).eval(), make_examples(codec, 5)
    batch = Batch.of(examples, 0 if codec.is_seq2seq else None)
    total = 0.0
    for example in examples:
        if codec.is_seq2seq:
            read = {"input_ids": torch.tensor([example.prompt]), "labels": torch.tensor([example.program])}
        else:
            ignored = (-100,) * len(example.prompt)
            read = {
                "input_ids": torch.tensor([example.prompt + example.program]),
                "labels": torch.tensor([ignored + example.program]),
            }
        total += policy(**read).loss.item() * len(example.program)
    assert ProgramLoss(policy)(*batch.parts).item() == pytest.approx(total, rel=1e-4)


def test_resumed_training_equals_uninterrupted_training(source: Path, codec: TextCodec, tmp_path: Path) -> None:
    examples = make_examples(codec)
    straight, stopped, resumed = (make_trainer(source, codec) for _ in range(3))
    straight.train(examples)
    expected = straight.train(examples)
    stopped.train(examples)
    resumed.resume(stopped.publish(tmp_path / "1", policy_version=1))
    torch.manual_seed(99)  # dropout is the trainer's own
    assert resumed.train(examples) == replace(expected, seconds=pytest.approx(expected.seconds, abs=1e3))
    for name, tensor in straight.policy.state_dict().items():
        assert torch.equal(tensor, resumed.policy.state_dict()[name]), name


def test_batches_stay_within_their_budget(source: Path, codec: TextCodec) -> None:
    trainer = make_trainer(source, codec)
    result = trainer.train(make_examples(codec))
    real = sum(len(example) - (not codec.is_seq2seq) for example in make_examples(codec))
    assert result.tokens == real
    assert 0 <= result.padding_share < 0.3


def test_a_checkpoint_is_complete_and_says_what_it_is(kind: str, published: Path, codec: TextCodec) -> None:
    manifest = load_manifest(published, verify_hash=True)
    assert manifest.policy == kind
    assert {"tokenizer/tokenizer.json", "vocab.json", "config.json", "model.safetensors"} <= set(manifest.files)
    restored = load_codec(published)
    assert restored.kind == kind
    assert restored.tokens == codec.tokens
    assert make_examples(restored) == make_examples(codec)


@pytest.mark.parametrize("backend", [pytest.param("vllm", marks=needs_vllm), "transformers"])
def test_both_samplers_write_what_the_reference_does_and_take_new_weights(
    sharp: list[Path], wanted: list[list[tuple[int, ...]]], codec: TextCodec, backend: str
) -> None:
    requests = make_requests(codec, n=2)
    assert set(wanted[0]).isdisjoint(wanted[1])
    assert min(len(set(of_version)) for of_version in wanted) > 1  # which programs depends on the learned vocabulary
    with sampling(sharp[0], backend=backend, temperature=0.0) as sampler:
        for version in (0, 1, 0):
            sampler.swap(sharp[version])
            samples = draw(sampler, requests)
            for (number, _), sample in samples.items():
                assert sample.tokens == wanted[version][number]
                assert sample.policy_version == version + 1
                assert sample.finished == (sample.tokens[-1] == codec.eos)


@pytest.mark.parametrize("backend", [pytest.param("vllm", marks=needs_vllm), "transformers"])
def test_samples_of_a_trained_policy_are_programs(published: Path, codec: TextCodec, backend: str) -> None:
    prompts = {str(request.seed): request.prompt for request in make_requests(codec)}
    with sampling(published, backend=backend) as sampler:
        found = [sample_programs(prompts, codec, sampler, 6, int, lambda *_: None, lambda _: None) for _ in range(2)]
    assert found[0].counts == found[1].counts
    assert found[0].total == sum(found[0].counts.values()) == 24
    assert found[0].dropped == 0
    assert found[0].programs & set(PROGRAMS)


def test_samples_that_do_not_end_are_dropped_and_counted(
    sharp: list[Path], codec: TextCodec, caplog: pytest.LogCaptureFixture
) -> None:
    prompts = {str(request.seed): request.prompt for request in make_requests(codec)}
    with sampling(sharp[0], backend="transformers", max_tokens=10) as sampler:
        found = sample_programs(prompts, codec, sampler, 6, int, lambda *_: None, lambda _: None)
    assert 0 < found.dropped == 24 - sum(found.counts.values())
    assert f"{found.dropped} of 24 samples are no program" in caplog.text


def test_a_checkpoint_of_another_kind_is_refused(published: Path, kind: str, tmp_path: Path) -> None:
    other = SAVE["causal" if kind == "seq2seq" else "seq2seq"](tmp_path / "other")
    codec = TextCodec(load_tokenizer(str(other)), MAX_PROMPT, is_seq2seq=kind != "seq2seq")
    wrong = make_trainer(other, codec).publish(tmp_path / "1", 1)
    with sampling(published, backend="transformers", temperature=0.0) as sampler:
        with pytest.raises(CheckpointError, match="the running one"):
            sampler.swap(wrong)
        draw(sampler, make_requests(load_codec(published)))


def test_the_parts_of_a_run_come_from_its_configuration(source: Path, kind: str, tmp_path: Path) -> None:
    options = ["--trainer.checkpoint", str(source), "--sampler.backend", "transformers"]
    lengths = ["--trainer.max-prompt-tokens", str(MAX_PROMPT), "--sampler.max-tokens", str(MAX_PROGRAM)]
    config = load_config("smoke", None, [*options, *lengths])
    codec = new_codec(config)
    trainer = new_trainer(config, codec)
    trainer.train(make_examples(codec, 4))
    with new_sampler(config, trainer.publish(tmp_path / "1", 1)) as sampler:
        assert len(draw(sampler, make_requests(codec, n=2))) == 8
    if kind == "causal":
        long = load_config("smoke", None, [*options, "--sampler.max-tokens", "500"])
        with pytest.raises(UsageError, match="has 512 positions"):
            new_trainer(long, codec)


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot load the tokenizer of '.*nothing'"):
        new_codec(load_config("smoke", None, ["--trainer.checkpoint", str(tmp_path / "nothing")]))
    save_t5(tmp_path / "t5")
    config = tmp_path / "t5" / "config.json"
    config.write_text(config.read_text().replace('"t5"', '"bart"'))
    with pytest.raises(CheckpointError, match="of the encoder-decoders only t5 is supported"):
        load_pretrained(str(tmp_path / "t5"))


def test_lora_without_peft_says_what_to_install(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.pretrained.find_spec", lambda name: None)
    config = load_config("smoke", None, ["--trainer.checkpoint", str(source), "--trainer.lora-rank", "4"])
    config = config.model_copy(update={"trainer": config.trainer.model_copy(update={"max_prompt_tokens": MAX_PROMPT})})
    with pytest.raises(CheckpointError, match=r"pip install 'codeit\[lora\]'"):
        new_trainer(config, new_codec(config))


def test_lora_learns_beside_frozen_weights_and_is_published_merged(
    source: Path, codec: TextCodec, tmp_path: Path
) -> None:
    examples, trainers = make_examples(codec), []
    for _ in range(3):
        policy = load_pretrained(str(source))
        add_lora(policy, rank=4, seed=1)
        trainers.append(Trainer(policy, codec, LEARNING, SEED))
    straight, stopped, resumed = trainers
    frozen = {name: tensor.clone() for name, tensor in stopped.policy.state_dict().items() if "lora_" not in name}
    before = straight.heldout_loss(examples)
    for trainer in (straight, straight, stopped):
        result = trainer.train(examples)
    assert result.loss < before
    folder = stopped.publish(tmp_path / "1", policy_version=1)
    assert all(torch.equal(tensor, stopped.policy.state_dict()[name]) for name, tensor in frozen.items())
    merged = Trainer(load_policy(folder, codec.tokens), codec, LEARNING, SEED)
    assert merged.heldout_loss(examples) == pytest.approx(stopped.heldout_loss(examples), rel=1e-5)
    resumed.resume(folder)
    resumed.train(examples)
    assert resumed.heldout_loss(examples) == straight.heldout_loss(examples)
    with pytest.raises(CheckpointError, match="it was trained with LoRA"):
        make_trainer(source, codec).resume(folder)
