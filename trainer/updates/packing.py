"""Packed batches: examples one after the other in a single row, each attending to itself alone.

Examples need not be alike in length to share a batch, so that batches are random draws: sorted by length, they hold
much of the same tasks. Nothing is padded but the end of a row for a GPU: it is filled with sequences that nothing
learns from, so that all batches have one shape, which a CUDA graph can record (`trainer.updates.recording`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from trainer.examples import Example, Examples, Integers
from trainer.updates.batches import Batch

# What shapes are rounded up to, so that they seldom change: compiled code and graphs are made for a shape.
_TOKENS, _SEQUENCES, _PREDICTED, _LONGEST = 8, 64, 2048, 128


class Shape(NamedTuple):
    """Tokens of a row, sequences in it, program tokens that are predicted, and tokens of its longest sequence."""

    tokens: int = 0
    sequences: int = 0
    predicted: int = 0
    longest: int = 0

    def covering(self, other: Shape) -> Shape:
        """A shape that holds what either holds."""
        return Shape(*map(max, self, other))


class Packing:
    """Makes packed batches of at most `batch_tokens`, or of one example.

    Where it `fills` rows, all batches of a plan have one shape, which only ever grows; an example that is longer than
    `batch_tokens` makes all rows as long.
    """

    def __init__(self, batch_tokens: int, fills: bool) -> None:
        self.batch_tokens = batch_tokens
        self.fills = fills
        self.shape = Shape()

    def plan(self, examples: Examples, generator: np.random.Generator | None) -> list[Integers]:
        """Indices of examples, batch by batch, in a random order where there is a generator."""
        reads = examples.lengths - 1  # the last token is only a target
        order = np.arange(len(reads)) if generator is None else generator.permutation(len(reads))
        if not self.fills:
            return _cut(order, reads, self.batch_tokens)
        tokens = max(self.shape.tokens, _rounded(max(self.batch_tokens, int(reads.max())), _TOKENS))
        batches = _cut(order, reads, tokens)
        self.shape = self.shape.covering(_needed(examples, batches, tokens))
        return batches

    def batch(self, examples: Sequence[Example]) -> Batch:
        """One batch of examples of a plan."""
        some = Examples.of(examples)
        reads = some.lengths - 1
        own = Shape(int(reads.sum()), len(some), int(some.programs.sum()), int(reads.max()))
        shape = self.shape if self.fills else own
        ends, owners = some.starts[1:], np.repeat(np.arange(len(some)), some.lengths)
        offsets = np.arange(len(some.tokens)) - some.starts[owners]
        is_read = np.ones(len(some.tokens), bool)
        is_read[ends - 1] = False
        is_target = offsets >= some.prompts[owners]
        real, targets = own.tokens, some.tokens[is_target]
        ids, positions = np.zeros(shape.tokens, np.int64), np.zeros(shape.tokens, np.int64)
        ids[:real], positions[:real] = some.tokens[is_read], offsets[is_read]
        fill = np.arange(real, shape.tokens, shape.longest)  # where the sequences begin that fill the row
        bounds = np.full(shape.sequences + 1, shape.tokens, np.int32)  # those behind the row's end are empty
        bounds[: len(some)] = np.cumsum(reads) - reads
        bounds[len(some) : len(some) + len(fill)] = fill
        positions[real:] = np.arange(shape.tokens - real) % shape.longest
        # A token's place in the row is its place among all, less the last tokens before it, which are not read.
        predicting = np.flatnonzero(is_target) - owners[is_target] - 1
        weights = np.ones(len(targets), np.float32) if some.weights is None else some.weights[owners[is_target]]
        parts = (
            np.pad(part, (0, shape.predicted - own.predicted))
            for part in (predicting, targets.astype(np.int64), weights)
        )
        row, places, predicting, targets, weights, bounds = map(torch.from_numpy, (ids, positions, *parts, bounds))
        return Batch(row[None], predicting, targets, own.predicted, None, weights, places[None], bounds, shape.longest)


def _needed(examples: Examples, batches: Sequence[Integers], tokens: int) -> Shape:
    """The shape that all of these batches fit in rows of so many tokens."""
    reads = examples.lengths - 1
    longest = _rounded(int(reads.max()), _LONGEST)
    fillers = [-(-(tokens - int(reads[batch].sum())) // longest) for batch in batches]
    sequences = max(len(batch) + filler for batch, filler in zip(batches, fillers, strict=True))
    predicted = max(int(examples.programs[batch].sum()) for batch in batches)
    return Shape(tokens, _rounded(sequences, _SEQUENCES), _rounded(predicted, _PREDICTED), longest)


def _rounded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _cut(order: Integers, lengths: Integers, limit: int) -> list[Integers]:
    """Cut indices in their order into batches of at most `limit` tokens, or one example."""
    totals = np.cumsum(lengths[order])
    cuts, end = [], 0
    while end < len(order):
        before = totals[end - 1] if end else 0
        end = max(end + 1, int(np.searchsorted(totals, before + limit, side="right")))
        cuts.append(end)
    return np.split(order, cuts[:-1])
