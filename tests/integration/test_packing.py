"""Packed batches: a policy learns from them what it learns from padded ones; the attention is torch's own written out,
because a CPU has none for packed sequences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from trainer import training
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.examples import Example, Examples
from trainer.policy import new_policy
from trainer.training import Trainer
from trainer.updates import loss, recording
from trainer.updates.batches import Padding
from trainer.updates.loss import ProgramLoss, can_pack, skip_masks
from trainer.updates.packing import Packing

pytestmark = pytest.mark.usefixtures("one_thread")

CODEC = CompactCodec(320)
POSITIONS = 400
TOKENS = len(CODEC.tokens)


def examples_of(count: int, seed: int = 0, weighted: bool = False) -> Examples:
    """Random tokens of random lengths."""
    generator = np.random.default_rng(seed)
    sizes = zip(generator.integers(1, 90, count), generator.integers(1, 30, count), strict=True)
    some = Examples.of(
        [Example(*(tuple(generator.integers(3, TOKENS, size).tolist()) for size in both)) for both in sizes]
    )
    return some.weighted(generator.uniform(0.2, 2.0, count)) if weighted else some


def one_by_one(
    query: Tensor, key: Tensor, value: Tensor, bounds: Tensor, _: Tensor, longest: int, *__: int, **options: object
) -> Tensor:
    """What `varlen_attn` computes, a sequence at a time."""
    assert options["window_size"] == (-1, 0)
    rows = []
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        assert 0 <= end - start <= longest
        parts = (part[start:end].transpose(0, 1) for part in (query, key, value))
        rows.append(scaled_dot_product_attention(*parts, is_causal=True, scale=options["scale"]).transpose(0, 1))
    return torch.cat(rows)


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that can pack, and a GPU's graphs, which it has not, left out."""
    monkeypatch.setattr(loss, "varlen_attn", one_by_one)
    monkeypatch.setattr(training, "can_pack", lambda policy, device, bf16: True)


@pytest.mark.parametrize("batch_tokens", [256, 1024])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_plan_has_every_example_once_and_one_shape(batch_tokens: int, ordered: bool) -> None:
    examples, packing = examples_of(60), Packing(batch_tokens)
    batches = packing.plan(examples, None if ordered else np.random.default_rng(3))
    assert sorted(np.concatenate(batches).tolist()) == list(range(60))
    assert (np.concatenate(batches).tolist() == list(range(60))) == ordered
    made = [packing.batch(examples.take(indices)) for indices in batches]
    assert len({batch.shape for batch in made}) == 1
    assert {batch.size for batch in made} == {batch_tokens}
    for batch, indices in zip(made, batches, strict=True):
        some = examples.take(indices)
        assert batch.program_tokens == some.programs.sum() == batch.weights.sum()
        assert batch.bounds[0] == 0
        assert batch.bounds[-1] == batch_tokens
        sizes = torch.diff(batch.bounds)
        assert sizes[: len(some)].tolist() == (some.lengths - 1).tolist()
        assert sizes.min() >= 0
        assert sizes.max() <= batch.longest
        expected = torch.cat([torch.arange(size) for size in sizes.tolist()])
        assert torch.equal(batch.positions[0], expected)


def test_a_shape_only_grows() -> None:
    packing = Packing(512)
    packing.plan(examples_of(9), None)
    first = packing.shape
    packing.plan(examples_of(200, seed=1), None)
    second = packing.shape
    assert second.covering(first) == second
    packing.plan(examples_of(9), None)
    assert packing.shape == second


def test_an_example_may_be_longer_than_a_batch() -> None:
    long = Examples.of([Example((4,) * 350, (5,) * 20), Example((4,) * 300, (5, 6))])
    packing = Packing(256)
    assert [indices.tolist() for indices in packing.plan(long, None)] == [[0], [1]]
    assert packing.batch(long[:1]).program_tokens == 20


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_gradients_are_those_of_padded_batches(packs: None, weighted: bool) -> None:
    examples, found = examples_of(24, weighted=weighted), []
    for batches in (Packing(1024), Padding(1024)):
        policy = new_policy("compact-tiny", TOKENS, POSITIONS, seed=1)
        skip_masks(policy)
        module = ProgramLoss(policy)
        total = sum(module(*batches.batch(examples.take(some)).parts) for some in batches.plan(examples, None))
        total.backward()
        found.append((total.item(), [parameter.grad for parameter in policy.parameters()]))
    (packed, gradients), (padded, expected) = found
    assert packed == pytest.approx(padded, rel=1e-6)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_training_and_judging_are_those_of_padded_batches(packs: None) -> None:
    """One batch holds all, so that updates are the same."""
    examples, results = examples_of(24, weighted=True), []
    for packing in ("on", "off"):
        config = TrainerConfig(batch_tokens=4096, dtype="float32", device="cpu", packing=packing, graphs="off")
        trainer = Trainer(new_policy("compact-tiny", TOKENS, POSITIONS, seed=1), CODEC, config)
        losses = [trainer.train(examples).loss for _ in range(3)]
        results.append([*losses, trainer.heldout_loss(examples)])
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert results[0][-1] < results[0][0]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_recorded_updates_are_those_of_others(packs: None, monkeypatch: pytest.MonkeyPatch, accumulate: int) -> None:
    """What is recorded is computed again in the same tensors, as a graph does it; shapes grow in the second epoch."""
    recorded = []

    def record(compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        recorded.append(compute())
        return compute

    monkeypatch.setattr(recording, "record", record)
    results = []
    for graphs in ("auto", "off"):
        config = TrainerConfig(
            batch_tokens=512, dtype="float32", device="cpu", packing="on", graphs=graphs, accumulate=accumulate
        )
        trainer = Trainer(new_policy("compact-tiny", TOKENS, POSITIONS, seed=1), CODEC, config)
        epochs = [trainer.train(examples_of(count, seed=count)) for count in (40, 80, 80)]
        results.append([*(epoch.loss for epoch in epochs), trainer.heldout_loss(examples_of(9))])
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert 1 <= len(recorded) <= 2


def test_where_it_cannot_pack_it_says_why() -> None:
    policy = new_policy("compact-tiny", TOKENS, POSITIONS, seed=1)
    assert not can_pack(policy, torch.device("cpu"), bf16=True)
    assert can_pack(policy, torch.device("cuda"), bf16=True)
    assert not can_pack(policy, torch.device("cuda"), bf16=False)
    with pytest.raises(ValueError, match="cannot be packed here"):
        Trainer(policy, CODEC, TrainerConfig(device="cpu", packing="on"))
