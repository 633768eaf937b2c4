"""Training: a tiny policy learns from prompts, resumes exactly, and its checkpoints can be used by others."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaForCausalLM, MistralConfig, masking_utils

from engine.commands.launch import mistakes
from engine.errors import UsageError
from engine.sampler import SamplerConfig, SampleRequest, open_sampler
from trainer import training
from trainer.checkpoint import MANIFEST, TRAINING, load_manifest
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.errors import CheckpointError, Diverged
from trainer.examples import Example, Examples
from trainer.group import TrainerGroup
from trainer.policy import load_policy, new_policy
from trainer.training import Trainer
from trainer.updates.batches import Batch, Padding
from trainer.updates.loss import ProgramLoss, attends_to_all, compile_layers
from trainer.updates.packing import Packing

pytestmark = pytest.mark.usefixtures("one_thread")

CODEC = CompactCodec(max_prompt_tokens=320)
POSITIONS = 400
LEARNING = TrainerConfig(learning_rate=3e-3, warmup_steps=10, batch_tokens=1024, dtype="float32", device="cpu")
SEED = 5
PROGRAMS = {
    "O = hmirror(I)": lambda grid: grid[::-1],
    "O = vmirror(I)": lambda grid: grid[:, ::-1],
    "O = dmirror(I)": lambda grid: grid.T,
    "O = hconcat(I, I)": lambda grid: np.hstack([grid, grid]),
    "O = vconcat(I, I)": lambda grid: np.vstack([grid, grid]),
    "O = replace(I, ZERO, FIVE)": lambda grid: np.where(grid == 0, 5, grid),
    "x1 = hmirror(I)\nO = vconcat(I, x1)": lambda grid: np.vstack([grid, grid[::-1]]),
    "x1 = vmirror(I)\nO = hconcat(x1, I)": lambda grid: np.hstack([grid[:, ::-1], grid]),
}


def make_examples(count: int, seed: int = 0) -> list[Example]:
    """Random grids of 2..5 x 2..5 under one of the programs."""
    generator = np.random.default_rng(seed)
    examples = []
    for index in range(count):
        text = list(PROGRAMS)[index % len(PROGRAMS)]
        grids = [generator.integers(0, 4, generator.integers(2, 6, 2)).astype(np.int8) for _ in range(2)]
        examples.append(CODEC.example([(grid, PROGRAMS[text](grid).astype(np.int8)) for grid in grids], text))
    return examples


def of_lengths(lengths: Sequence[int]) -> Examples:
    """Examples of so many tokens."""
    return Examples.of([Example((1,), (1,) * (length - 1)) for length in lengths])


def make_trainer(seed: int = 1, codec: CompactCodec = CODEC, config: TrainerConfig = LEARNING) -> Trainer:
    return Trainer(new_policy("compact-tiny", len(codec.tokens), POSITIONS, seed), codec, config, SEED)


def learning(**changes: object) -> TrainerConfig:
    """`LEARNING`, with some other values."""
    return LEARNING.model_copy(update=changes)


def assert_same_weights(first: Trainer, second: Trainer) -> None:
    others = second.policy.state_dict()
    for name, tensor in first.policy.state_dict().items():
        assert torch.equal(tensor, others[name]), name


def assert_close_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Up to rounding, which Adam's first steps blow up where a gradient is next to nothing."""
    for name, tensor in first.items():
        apart = (tensor - second[name]).abs()
        assert apart.mean() < 1e-5, name


def test_it_learns_its_examples_and_from_their_prompts(tmp_path: Path) -> None:
    examples = make_examples(32)
    trainer = make_trainer(config=learning(learning_rate=2e-3))
    before = trainer.heldout_loss(examples)
    for _ in range(75):
        result = trainer.train(examples)
    after = trainer.heldout_loss(examples)
    prompts = [example.prompt for example in examples[1:] + examples[:1]]
    shuffled = [Example(prompt, example.program) for prompt, example in zip(prompts, examples, strict=True)]
    assert before > 4.0
    assert max(result.loss, after) < before / 20
    assert trainer.heldout_loss(shuffled) > max(1.0, 3 * after)
    config = SamplerConfig(backend="transformers", max_tokens=32, types=False, temperature=0.0)
    requests = [SampleRequest(example.prompt, 1, seed=0) for example in examples]
    with open_sampler(trainer.publish(tmp_path / "1", 1), config, POSITIONS) as sampler:
        written = {sample.request: sample.tokens for sample in sampler.sample(requests)}
    assert sum(written[number] == example.program for number, example in enumerate(examples)) >= 28


@pytest.mark.parametrize("packing", ["auto", "off"])
def test_accumulated_batches_learn_as_one_large_batch(packing: Literal["auto", "off"]) -> None:
    """An update on several batches is one on the mean over all their program tokens."""
    examples = make_examples(12)
    large = make_trainer(config=learning(batch_tokens=100_000, packing=packing))
    small = make_trainer(config=learning(batch_tokens=300, accumulate=100, packing=packing))
    expected, result = large.train(examples), small.train(examples)
    assert (expected.steps, result.steps) == (1, 1)
    assert result.padding_share < expected.padding_share or packing == "auto"
    assert result.loss == pytest.approx(expected.loss, rel=1e-5)
    assert_close_weights(small.policy.state_dict(), large.policy.state_dict())


def test_processes_learn_as_one_that_accumulates(tmp_path: Path) -> None:
    """Two updates, of which the last has a batch for the first process only; resumed and continued."""
    examples = make_examples(24)
    planned = (
        (n, Packing(n, fills=False).plan(Examples.of(examples), np.random.default_rng(5))) for n in range(400, 4000)
    )
    budget = next(n for n, batches in planned if len(batches) % 2)
    alone = make_trainer(config=learning(batch_tokens=budget, accumulate=2))
    calls: list[tuple[int, int]] = []
    with TrainerGroup(partial(make_trainer, config=learning(batch_tokens=budget)), 2) as group:
        for _ in range(2):
            result = group.train(examples, progress=lambda done, total: calls.append((done, total)))
            expected = alone.train(examples)
        assert result.loss == pytest.approx(expected.loss, rel=1e-4)
        assert (result.steps, result.tokens) == (expected.steps, expected.tokens)
        assert calls[-1] == (24, 24)
        assert group.heldout_loss(examples) == pytest.approx(alone.heldout_loss(examples), rel=1e-4)
        folder = group.publish(tmp_path / "1", policy_version=1)
        group.resume(folder)
        group.train(examples)
        again = group.publish(tmp_path / "2", policy_version=2)
        with pytest.raises(ValueError, match="no examples") as failed:
            group.train([])
        assert any("in training process" in note and "_check" in note for note in failed.value.__notes__)
        with pytest.raises(RuntimeError, match="closed"):
            group.train(examples)
    assert multiprocessing.active_children() == []
    alone.train(examples)
    assert_close_weights(load_policy(again, CODEC.tokens).state_dict(), alone.policy.state_dict())


def test_a_training_process_that_dies_is_an_error() -> None:
    for waits in (False, True):  # until it is gone: nothing can be sent to it then
        with TrainerGroup(make_trainer, 2) as group:
            member = multiprocessing.active_children()[-1]
            member.kill()
            if waits:
                member.join()
            message = r"^training process \d of 2 died \(killed by signal 9: too little memory, say\); .*--resume"
            with pytest.raises(UsageError, match=message), mistakes():
                group.train(make_examples(4))
        assert multiprocessing.active_children() == []


def test_training_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "from test_training import *\n"
        "if __name__ == '__main__':\n"
        "    group = TrainerGroup(make_trainer, 2)\n"
        "    group.train(make_examples(2000), lambda done, total: print(done, flush=True))\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command, environment = [sys.executable, str(script)], {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert int(parent.stdout.readline()) > 0
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.kill()
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_resumed_training_equals_uninterrupted_training_bit_for_bit(tmp_path: Path) -> None:
    examples = make_examples(96)
    straight, stopped, resumed = make_trainer(), make_trainer(), make_trainer(seed=2)
    straight.train(examples)
    expected = straight.train(examples)
    stopped.train(examples)
    resumed.resume(stopped.publish(tmp_path / "1", policy_version=1))
    assert resumed.train(examples).loss == expected.loss
    assert_same_weights(resumed, straight)
    assert resumed.steps == straight.steps
    first, second = straight.publish(tmp_path / "2", 2), resumed.publish(tmp_path / "3", 2)
    assert load_manifest(first) == load_manifest(second)
    assert load_manifest(first / TRAINING) == load_manifest(second / TRAINING)


def test_what_training_goes_on_from_can_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is there at once; learning goes on only when what it changes is written."""
    examples = make_examples(48)
    trainer, resumed = make_trainer(), make_trainer(seed=2)
    trainer.train(examples)
    may_write = threading.Event()
    with monkeypatch.context() as patch:
        write = training.save_file
        patch.setattr(training, "save_file", lambda *arguments: may_write.wait() and write(*arguments))
        folder = trainer.publish(tmp_path / "1", policy_version=1, later=True)
        load_policy(folder, CODEC.tokens)
        with pytest.raises(CheckpointError, match="no training state"):
            resumed.resume(folder)
        threading.Timer(0.3, may_write.set).start()
        trainer.train(examples)
    resumed.resume(folder)
    resumed.train(examples)
    assert_same_weights(resumed, trainer)


def test_training_state_that_could_not_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer()
    trainer.train(make_examples(16))
    monkeypatch.setattr(training, "save_file", refuse)
    trainer.publish(tmp_path / "1", policy_version=1, later=True)
    with pytest.raises(OSError, match="no such device"):
        trainer.settle()
    assert not (tmp_path / "1" / TRAINING).exists()
    trainer.settle()  # it was said


def refuse(*_: object) -> None:
    raise OSError("no such device")


def test_checkpoints_with_one_manifest_for_everything_go_on(tmp_path: Path) -> None:
    """As they were written before training state had a manifest of its own."""
    trainer, resumed = make_trainer(), make_trainer(seed=2)
    trainer.train(make_examples(16))
    folder = trainer.publish(tmp_path / "1", policy_version=1)
    apart, together = load_manifest(folder / TRAINING), load_manifest(folder)
    files = together.files | {f"{TRAINING}/{name}": record for name, record in apart.files.items()}
    (folder / TRAINING / MANIFEST).unlink()
    (folder / MANIFEST).write_text(together.model_copy(update={"files": files}).model_dump_json(by_alias=True))
    resumed.resume(folder)
    assert_same_weights(resumed, trainer)
    state = folder / TRAINING / "state.json"
    state.write_text(state.read_text().replace("0", "1"))
    with pytest.raises(CheckpointError, match="does not have the sha256"):
        resumed.resume(folder)


def test_damaged_training_state_is_refused(tmp_path: Path) -> None:
    folder = make_trainer().publish(tmp_path / "1", policy_version=1)
    state = folder / TRAINING / "state.json"
    state.write_text(state.read_text().replace("0", "1"))
    with pytest.raises(CheckpointError, match="does not have the sha256"):
        make_trainer().resume(folder)


def test_a_policy_without_updates_can_be_published_and_resumed(tmp_path: Path) -> None:
    examples = make_examples(16)
    fresh, resumed = make_trainer(), make_trainer(seed=2)
    resumed.resume(fresh.publish(tmp_path / "0", policy_version=0))
    assert fresh.train(examples).loss == resumed.train(examples).loss
    assert_same_weights(fresh, resumed)


def test_only_program_tokens_count() -> None:
    example = make_examples(1)[0]
    batch = Batch.of([example])
    first = len(example.prompt) - 1
    assert batch.targets.tolist() == list(example.program)
    assert batch.predicting.tolist() == list(range(first, first + len(example.program)))
    assert batch.ids[0].tolist() == list((example.prompt + example.program)[:-1])


def test_padding_does_not_change_the_loss() -> None:
    loss = ProgramLoss(new_policy("compact-tiny", len(CODEC.tokens), POSITIONS, seed=1))
    examples = make_examples(8)
    alone = loss(*Batch.of(examples).parts)
    longer = Batch.of(examples, multiple=512)
    assert longer.ids.shape[1] % 512 == 0
    padded = loss(*longer.parts)
    torch.testing.assert_close(padded, alone, rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad(padded, [loss.policy.model.layers[0].mlp.up_proj.weight])
    (expected,) = torch.autograd.grad(alone, [loss.policy.model.layers[0].mlp.up_proj.weight])
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_examples_carry_the_weights_of_their_losses() -> None:
    """Through every change of order, into the loss: the sum over program tokens of weight times loss."""
    examples, weights = Examples.of(make_examples(8)), np.linspace(0.0, 1.0, 8)
    loss = ProgramLoss(new_policy("compact-tiny", len(CODEC.tokens), POSITIONS, seed=1))
    alone = [loss(*Batch.of([example]).parts).item() for example in examples]
    weighted = examples.weighted(weights)
    order = np.array([5, 0, 7, 3])
    parts = Examples.concatenate([weighted.take(order), examples[:2], weighted[6:]])
    assert parts.weights is not None
    assert parts.weights == pytest.approx([*weights[order], 1.0, 1.0, *weights[6:]])
    assert loss(*Batch.of(weighted).parts).item() == pytest.approx(np.sum(weights * alone), rel=1e-4)
    same, plain = (make_trainer() for _ in range(2))
    weighted = examples.weighted(np.full(8, 0.01))  # nats a token, whatever the weights
    assert same.train(weighted).loss == pytest.approx(plain.train(examples).loss, rel=1e-3)


def test_no_forward_pass_looks_at_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers does, where it may need a mask, and there a GPU would be waited for; the loss is the same."""
    batch = Batch.of(make_examples(9))
    masked = ProgramLoss(new_policy("compact-tiny", len(CODEC.tokens), POSITIONS, seed=1))(*batch.parts)
    trainer = make_trainer()
    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda _: pytest.fail("looked"))
    assert torch.equal(ProgramLoss(trainer.policy)(*batch.parts), masked)
    trainer.train(make_examples(9))


def test_heldout_loss_is_the_mean_over_program_tokens_and_changes_nothing() -> None:
    trainer = make_trainer()
    examples = make_examples(10)
    alone = [trainer.heldout_loss([example]) for example in examples]
    sizes = [len(example.program) for example in examples]
    assert trainer.heldout_loss(examples) == pytest.approx(np.average(alone, weights=sizes), rel=1e-5)
    assert_same_weights(trainer, make_trainer())


def test_batches_hold_every_example_once_within_the_budget() -> None:
    generator = np.random.default_rng(0)
    lengths, padding = generator.integers(20, 400, 1000), Padding(4096)
    for chosen in (generator, None):
        batches = padding.plan(of_lengths(lengths), chosen)
        assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
        assert all(len(batch) * lengths[batch].max() <= 4096 for batch in batches)
        padded = sum(len(batch) * lengths[batch].max() for batch in batches)
        assert 1 - lengths.sum() / padded < 0.1
    assert [len(batch) for batch in Padding(10).plan(of_lengths([50, 60]), None)] == [1, 1]


def test_an_epoch_reports_what_it_did_and_its_progress() -> None:
    examples = make_examples(40)
    calls: list[tuple[int, int]] = []
    result = make_trainer().train(examples, progress=lambda done, total: calls.append((done, total)))
    assert result.examples == 40
    assert result.tokens == sum(len(example) - 1 for example in examples)
    assert result.steps == len(calls)
    assert 0 <= result.padding_share < 0.3
    assert calls[-1] == (40, 40)
    assert calls == sorted(calls)


def test_bf16_follows_fp32_and_keeps_fp32_weights() -> None:
    examples = make_examples(64)
    policy = new_policy("compact-tiny", len(CODEC.tokens), POSITIONS, seed=1)
    half = Trainer(policy, CODEC, learning(dtype="bfloat16"), SEED)
    assert half.train(examples).loss == pytest.approx(make_trainer().train(examples).loss, rel=0.02)
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_not_trained_on() -> None:
    with pytest.raises(ValueError, match=r"trainer\.device is cuda, and there is no GPU"):
        make_trainer(config=learning(device="cuda"))


def test_a_checkpoint_is_a_plain_transformers_model(tmp_path: Path) -> None:
    trainer = make_trainer()
    trainer.train(make_examples(16))
    folder = trainer.publish(tmp_path / "1", policy_version=1)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    ids = torch.tensor([make_examples(1)[0].prompt])
    for policy in (LlamaForCausalLM.from_pretrained(folder), load_policy(folder, CODEC.tokens)):
        assert torch.equal(policy(ids).logits, trainer.policy(ids).logits)
        assert policy.lm_head.weight is policy.model.embed_tokens.weight


def test_tokens_are_mapped_by_name(tmp_path: Path) -> None:
    trainer = make_trainer()
    folder = trainer.publish(tmp_path / "1", policy_version=1)
    before = trainer.policy.model.embed_tokens.weight
    order = [0, 1, 2, *np.random.default_rng(0).permutation(np.arange(3, len(CODEC.tokens))).tolist()]
    tokens = [*(CODEC.tokens[index] for index in order), "newprimitive"]
    policy = load_policy(folder, tokens)
    after = policy.model.embed_tokens.weight
    assert policy.config.vocab_size == len(tokens)
    assert torch.equal(after[:-1], before[order])
    assert 0 < after[-1].std() < 0.1
    ids = torch.tensor([make_examples(1)[0].prompt])
    moved = torch.tensor([[tokens.index(CODEC.tokens[index]) for index in ids[0]]])
    torch.testing.assert_close(policy(moved).logits[..., :-1], trainer.policy(ids).logits[..., order])


def test_a_checkpoint_with_a_token_that_is_gone_is_refused_by_name(tmp_path: Path) -> None:
    folder = make_trainer().publish(tmp_path / "1", policy_version=1)
    tokens = [token for token in CODEC.tokens if token not in ("hmirror", "c7")]
    with pytest.raises(CheckpointError, match="the vocabulary lacks: hmirror, c7"):
        load_policy(folder, tokens)


def test_only_a_trainer_of_the_same_policy_and_vocabulary_resumes(tmp_path: Path) -> None:
    folder = make_trainer().publish(tmp_path / "1", policy_version=1)
    wide = Trainer(new_policy("compact-3m", len(CODEC.tokens), POSITIONS, 0), CODEC, LEARNING)
    with pytest.raises(CheckpointError, match="its policy has another shape"):
        wide.resume(folder)
    renamed = CompactCodec(max_prompt_tokens=320)
    renamed.vocabulary_hash = "another"
    with pytest.raises(CheckpointError, match="its vocabulary differs"):
        make_trainer(codec=renamed).resume(folder)
    (folder / "training" / "state.json").unlink()
    with pytest.raises(CheckpointError, match="no training state"):
        make_trainer().resume(folder)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        make_trainer().resume(tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    trainer = make_trainer()
    trainer.publish(tmp_path / "1", policy_version=1)
    with pytest.raises(CheckpointError, match="never overwritten"):
        trainer.publish(tmp_path / "1", policy_version=2)
    assert load_manifest(tmp_path / "1", verify_hash=True).policy_version == 1


def test_unusable_examples_are_refused_before_anything_is_learned() -> None:
    trainer = make_trainer()
    with pytest.raises(ValueError, match="no examples"):
        trainer.train([])
    with pytest.raises(ValueError, match="has 401 tokens, the policy 400 positions"):
        trainer.train([*make_examples(4), Example((1,) * 400, (2,))])
    assert trainer.steps == 0
    assert_same_weights(trainer, make_trainer())


def test_the_seed_alone_decides_new_weights() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = new_policy("compact-tiny", 500, POSITIONS, seed=3)
    assert torch.equal(torch.rand(3), expected)
    second = new_policy("compact-tiny", 500, POSITIONS, seed=3)
    other = new_policy("compact-tiny", 500, POSITIONS, seed=4)
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)
    with pytest.raises(ValueError, match="unknown policy 'compact-9m' \\(there are"):
        new_policy("compact-9m", 500, POSITIONS, seed=0)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch needs a C++ compiler to compile for a CPU")
def test_compiled_layers_learn_as_others_do() -> None:
    examples = make_examples(16)
    plain, compiled = (make_trainer(config=learning(compile=how, packing="off")) for how in ("off", "on"))
    for _ in range(2):
        assert compiled.train(examples).loss == pytest.approx(plain.train(examples).loss, rel=1e-4)
    assert compiled.heldout_loss(examples) == pytest.approx(plain.heldout_loss(examples), rel=1e-3)
    assert compiled.policy.state_dict().keys() == plain.policy.state_dict().keys()
    assert_close_weights(compiled.policy.state_dict(), plain.policy.state_dict())


def test_a_gradient_that_is_not_finite_ends_training(tmp_path: Path) -> None:
    trainer = make_trainer()
    with torch.no_grad():
        trainer.policy.model.norm.weight.fill_(float("inf"))
    with pytest.raises(Diverged, match=r"not finite within the \d+ updates up to \d+; .* --trainer.learning-rate"):
        trainer.train(make_examples(4))


WINDOWED = MistralConfig(
    vocab_size=64, hidden_size=32, num_hidden_layers=2, intermediate_size=64, num_attention_heads=2,
    num_key_value_heads=2, head_dim=16, max_position_embeddings=64, sliding_window=4,
)  # fmt: skip


def test_a_policy_that_attends_to_a_window_keeps_it() -> None:
    policy = AutoModelForCausalLM.from_config(WINDOWED)
    assert not attends_to_all(policy)
    assert attends_to_all(new_policy("compact-tiny", len(CODEC.tokens), POSITIONS, 1))


def test_layers_compile_whatever_the_norm_behind_them_is_called() -> None:
    config = GPTNeoXConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    policy = AutoModelForCausalLM.from_config(config)
    compile_layers(policy, packs=False)
    assert all(layer._compiled_call_impl is not None for layer in policy.base_model.layers)
