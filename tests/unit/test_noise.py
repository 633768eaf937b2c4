"""The noise that draws samples: the same compiled and as tensors, samples of the softmax, and a row's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.sampler.constraint import CompactGrammar, Constraint
from engine.sampler.noise import gumbel, row_keys, token_codes
from interpreter.language.noise import UNIFORM_BITS, perturb
from interpreter.language.vocabulary import PROGRAM_TOKENS, TOKEN_IDS

TOKENS = 12
IDS = torch.arange(TOKENS)
CODES = token_codes(IDS)
LOGITS = torch.linspace(-2, 2, TOKENS)


def keys(seeds: np.ndarray, position: int = 0) -> torch.Tensor:
    return torch.from_numpy(row_keys(seeds, np.full(len(seeds), position)))


def tokens_of(seeds: np.ndarray, position: int = 0) -> np.ndarray:
    """What is drawn at a position of samples with these seeds."""
    return (LOGITS - gumbel(keys(seeds, position), CODES)).argmax(-1).numpy()


def spread(counts: np.ndarray, expected: np.ndarray) -> float:
    """Chi-squared beyond its mean, in its standard deviations; counts and means of the same sum."""
    degrees = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - degrees) / (2 * degrees) ** 0.5


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_largest_is_distributed_as_the_softmax(temperature: float) -> None:
    """Also with seeds that differ in a few bits alone."""
    n = 100_000
    seeds = np.arange(n)
    drawn = (LOGITS / temperature - gumbel(keys(seeds), CODES)).argmax(-1).numpy()
    expected = n * (LOGITS.double() / temperature).softmax(-1).numpy()
    assert abs(spread(np.bincount(drawn, minlength=TOKENS), expected)) < 5


def test_what_is_drawn_next_to_each_other_is_independent() -> None:
    """At neighbouring positions of a sample, and by neighbouring seeds: pairs have the product of probabilities."""
    n = 100_000
    seeds = np.arange(n) * 7919 + (1 << 62)
    probability = LOGITS.double().softmax(-1).numpy()
    expected = n * np.outer(probability, probability)
    common = expected >= 5
    for others in (tokens_of(seeds, 1), tokens_of(seeds + 1)):
        counts = np.zeros_like(expected)
        np.add.at(counts, (tokens_of(seeds), others), 1)
        assert abs(spread(counts[common], expected[common] * counts[common].sum() / expected[common].sum())) < 5


def test_the_noise_is_finite_whatever_the_hash_is() -> None:
    units = torch.tensor([1, (1 << UNIFORM_BITS) - 1], dtype=torch.float32) * 2.0**-UNIFORM_BITS
    assert torch.isfinite(units.log().neg().log()).all()
    assert torch.isfinite(gumbel(keys(np.arange(10_000)), CODES)).all()


@pytest.mark.parametrize("ids", [np.arange(200), np.array([0, 3, 4, 63, 64, 65, 130, 198])])
def test_compiled_and_tensor_noise_are_the_same(ids: np.ndarray) -> None:
    """Up to the rounding of logarithms, and what may not be drawn is -inf."""
    generator, rows = np.random.default_rng(0), 50
    members = generator.random((rows, len(ids))) < 0.5
    bits = np.zeros((rows, -(-len(ids) // 64) * 64), np.uint8)
    bits[:, : len(ids)] = members
    masks = np.packbits(bits, axis=1, bitorder="little").view(np.int64)
    logits = generator.normal(size=(rows, 201)).astype(np.float32)
    row = row_keys(generator.integers(1 << 63, size=rows), generator.integers(200, size=rows))
    expected = torch.full((rows, 201), -torch.inf)
    noise = gumbel(torch.from_numpy(row), token_codes(torch.from_numpy(ids)))
    noisy = torch.from_numpy(logits)[:, ids] / 0.7 - noise
    expected[:, ids] = noisy.masked_fill(~torch.from_numpy(members), -torch.inf)
    perturb.compiled()(masks, ids, row, 1 / 0.7, logits)
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_what_a_row_draws_is_its_own_whatever_the_batch(compiled: bool) -> None:
    """Alone, among others, in another row; with another seed or length it is something else."""
    vocabulary = len(PROGRAM_TOKENS) + 40
    logits = torch.randn(3, vocabulary, generator=torch.Generator().manual_seed(0))
    program = [TOKEN_IDS["hmirror"], TOKEN_IDS["I"]]

    def apply(*rows: tuple[list[int], int, torch.Tensor]) -> list[torch.Tensor]:
        constraint = Constraint(CompactGrammar(32), len(rows), temperature=0.8)
        for row, (written, seed, _) in enumerate(rows):
            constraint.start(row, written, seed)
        batch = torch.stack([row[2] for row in rows])
        return [*constraint.apply(batch if compiled else batch.T.contiguous().T)]

    alone = apply((program, 5, logits[0]))[0]
    among = apply((program, 6, logits[1]), ([], 5, logits[2]), (program, 5, logits[0]))
    torch.testing.assert_close(among[2], alone)  # logarithms of torch are rounded as they lie in memory
    assert torch.equal(among[2], alone) or not compiled
    assert not torch.equal(apply((program, 6, logits[0]))[0], alone)
    first, again = apply(([], 5, logits[0]), ([TOKEN_IDS["O"]], 5, logits[0]))
    both = torch.isfinite(first) & torch.isfinite(again)
    assert both.any()
    assert not (first[both] == again[both]).any()
