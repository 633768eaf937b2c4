"""Packed batches: a policy learns from them what it learns from padded ones, and what is recorded learns the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.examples import Example, Examples
from trainer.policy import new_policy
from trainer.training import Trainer
from trainer.updates import recording
from trainer.updates.batches import Padding
from trainer.updates.loss import ProgramLoss, can_pack, skip_masks
from trainer.updates.packing import Packing

pytestmark = pytest.mark.usefixtures("one_thread")

CODEC = CompactCodec(320)
POSITIONS = 400
TOKENS = len(CODEC.tokens)
SIZES = {
    "vocab_size": TOKENS, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": POSITIONS, "sliding_window": None,
}  # fmt: skip


def examples_of(count: int, seed: int = 0, weighted: bool = False) -> Examples:
    """Random tokens of random lengths."""
    generator = np.random.default_rng(seed)
    sizes = zip(generator.integers(1, 90, count), generator.integers(1, 30, count), strict=True)
    some = Examples.of(
        [Example(*(tuple(generator.integers(3, TOKENS, size).tolist()) for size in both)) for both in sizes]
    )
    return some.weighted(generator.uniform(0.2, 2.0, count)) if weighted else some


@pytest.mark.parametrize("batch_tokens", [256, 1024])
@pytest.mark.parametrize("fills", [True, False])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_plan_has_every_example_once(batch_tokens: int, fills: bool, ordered: bool) -> None:
    """And one shape, where batches are filled."""
    examples, packing = examples_of(60), Packing(batch_tokens, fills)
    batches = packing.plan(examples, None if ordered else np.random.default_rng(3))
    assert sorted(np.concatenate(batches).tolist()) == list(range(60))
    assert (np.concatenate(batches).tolist() == list(range(60))) == ordered
    made = [packing.batch(examples.take(indices)) for indices in batches]
    assert len({batch.shape for batch in made}) == (1 if fills else len(made))
    for batch, indices in zip(made, batches, strict=True):
        some = examples.take(indices)
        reads = some.lengths - 1
        assert batch.size == (batch_tokens if fills else reads.sum()) <= batch_tokens
        assert batch.program_tokens == some.programs.sum() == batch.weights.sum()
        assert batch.bounds[0] == 0
        assert batch.bounds[-1] == batch.size
        sizes = torch.diff(batch.bounds)
        assert sizes[: len(some)].tolist() == reads.tolist()
        assert sizes.min() >= 0
        assert sizes.max() <= batch.longest
        assert torch.equal(batch.positions[0], torch.cat([torch.arange(size) for size in sizes.tolist()]))


def test_a_shape_only_grows() -> None:
    packing = Packing(512, fills=True)
    packing.plan(examples_of(9), None)
    first = packing.shape
    packing.plan(examples_of(200, seed=1), None)
    second = packing.shape
    assert second.covering(first) == second
    packing.plan(examples_of(9), None)
    assert packing.shape == second


@pytest.mark.parametrize("fills", [True, False])
def test_an_example_may_be_longer_than_a_batch(fills: bool) -> None:
    """And other ones come after it, whose rows are as long then where they are filled."""
    short = [Example((4,) * 20, (5,) * 13)] * 40
    long, others = Examples.of([Example((4,) * 350, (5,) * 20), *short]), Examples.of(short)
    packing = Packing(257, fills)
    for examples in (long, others):
        batches = packing.plan(examples, None)
        made = [packing.batch(examples.take(indices)) for indices in batches]
        assert sum(batch.program_tokens for batch in made) == examples.programs.sum()
        assert all(int(batch.bounds[-1]) == batch.size for batch in made)
        assert all(
            batch.size == 376 if fills else batch.size <= 257 or len(some) == 1
            for batch, some in zip(made, batches, strict=True)
        )


POLICIES = {
    "compact": lambda: new_policy("compact-tiny", TOKENS, POSITIONS, seed=1),
    **{
        kind: partial(AutoModelForCausalLM.from_config, AutoConfig.for_model(kind, **SIZES))
        for kind in ("llama", "mistral", "qwen2", "qwen3")
    },
}


@pytest.mark.parametrize("fills", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", POLICIES)
def test_losses_and_gradients_are_those_of_padded_batches(kind: str, weighted: bool, fills: bool) -> None:
    examples, found = examples_of(24, weighted=weighted), []
    policy = POLICIES[kind]()
    assert can_pack(policy, torch.device("cpu"), bf16=False)
    skip_masks(policy)
    module = ProgramLoss(policy)
    for batches in (Packing(1024, fills), Padding(1024)):
        policy.zero_grad()
        total = sum(module(*batches.batch(examples.take(some)).parts) for some in batches.plan(examples, None))
        total.backward()
        found.append((total.item(), [parameter.grad for parameter in policy.parameters()]))
    (packed, gradients), (padded, expected) = found
    assert packed == pytest.approx(padded, rel=1e-5)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_training_and_judging_are_those_of_padded_batches() -> None:
    """One batch holds all, so that updates are the same."""
    examples, results = examples_of(24, weighted=True), []
    for packing in ("auto", "off"):
        config = TrainerConfig(batch_tokens=4096, dtype="float32", device="cpu", packing=packing)
        trainer = Trainer(new_policy("compact-tiny", TOKENS, POSITIONS, seed=1), CODEC, config)
        losses = [trainer.train(examples).loss for _ in range(3)]
        results.append([*losses, trainer.heldout_loss(examples)])
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert results[0][-1] < results[0][0]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_recorded_updates_are_those_of_others(monkeypatch: pytest.MonkeyPatch, accumulate: int) -> None:
    """What is recorded is computed again in the same tensors, as a graph does it; shapes grow in the second epoch."""
    recorded = []

    def record(compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        recorded.append(compute())
        return compute

    monkeypatch.setattr(recording, "record", record)
    results = []
    for records in (True, False):
        config = TrainerConfig(batch_tokens=512, dtype="float32", device="cpu", accumulate=accumulate)
        trainer = Trainer(new_policy("compact-tiny", TOKENS, POSITIONS, seed=1), CODEC, config)
        trainer.records, trainer._batches.fills = records, records  # as on a GPU
        epochs = [trainer.train(examples_of(count, seed=count)) for count in (40, 80, 80)]
        results.append([*(epoch.loss for epoch in epochs), trainer.heldout_loss(examples_of(9))])
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert 1 <= len(recorded) <= 2


def test_which_policies_learn_from_packed_batches() -> None:
    policy, cpu, gpu = POLICIES["compact"](), torch.device("cpu"), torch.device("cuda")
    assert can_pack(policy, cpu, bf16=False)
    assert can_pack(policy, gpu, bf16=True)
    assert not can_pack(policy, gpu, bf16=False)
    other = AutoModelForCausalLM.from_config(
        AutoConfig.for_model("gpt2", n_layer=1, n_embd=32, n_head=2, vocab_size=TOKENS)
    )
    assert not can_pack(other, cpu, bf16=False)
    policy.config.rope_parameters["rope_type"] = "dynamic"
    assert not can_pack(policy, cpu, bf16=False)
