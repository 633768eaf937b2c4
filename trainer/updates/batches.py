"""Batches as tensors, and those that are padded: examples of similar length, padded on the right.

A decoder-only policy reads prompt and program as one sequence. Attention is causal, so no real token ever sees padding
and no mask is needed; only the positions that predict a program token reach the output layer and the loss. An
encoder-decoder policy reads the prompt, masked, with its encoder and the program with its decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.examples import Example, Examples, Integers, padded

# Pads encoder prompts; tokens are 0 and more.
NO_TOKEN = -1
# Batches are sorted by length inside pools of this many. Lengths tell tasks apart: the larger a pool, the less padding,
# and the fewer tasks in a batch.
POOL_BATCHES = 16


@dataclass(frozen=True)
class Batch:
    """`ids` (n, length) that the decoder reads, `prompts` (n, other length) that an encoder reads, padded with
    `NO_TOKEN`; None for a decoder-only policy.

    `predicting` (k,) are the positions of the flat `ids` after which a program token comes, `targets` (k,) these
    tokens, and `weights` (k,) those of their losses; None where all are 1. They are known before anything is computed,
    so that no step waits for the device to count them. `program_tokens` of them are real: those behind have weight 0.

    A packed batch (`trainer.updates.packing`) has one row, the `positions` (1, length) of its tokens in their
    sequences, the `bounds` (s + 1,) of these, and a length that none exceeds.
    """

    ids: Tensor
    predicting: Tensor
    targets: Tensor
    program_tokens: int
    prompts: Tensor | None = None
    weights: Tensor | None = None
    positions: Tensor | None = None
    bounds: Tensor | None = None
    longest: int = 0

    @classmethod
    def of(cls, examples: Sequence[Example], start: int | None = None, multiple: int = 1) -> Batch:
        """Pad examples on the right, to a multiple of some length. The last token of a program is only a target.

        `start` is the token that an encoder-decoder policy's decoder begins with, None for a decoder-only policy.
        """
        some = Examples.of(examples)
        tokens, starts, ends = some.tokens, some.starts[:-1], some.starts[1:]
        programs = starts + some.prompts
        prompts = None
        if start is None:
            ids, before = padded(tokens, starts, ends - 1, 0, multiple), some.prompts - 1
        else:
            ids, before = padded(tokens, programs - 1, ends - 1, 0, multiple), np.zeros_like(some.prompts)
            ids[:, 0] = start
            prompts = torch.from_numpy(padded(tokens, starts, programs, NO_TOKEN, multiple))
        columns = np.arange(ids.shape[1])
        predicting = (columns >= before[:, None]) & (columns < (before + some.programs)[:, None])
        offsets = np.arange(len(tokens)) - np.repeat(starts, some.lengths)
        targets = tokens[offsets >= np.repeat(some.prompts, some.lengths)].astype(np.int64)
        flat = torch.from_numpy(np.flatnonzero(predicting)), torch.from_numpy(targets)
        weights = None if some.weights is None else torch.from_numpy(np.repeat(some.weights, some.programs))
        return cls(torch.from_numpy(ids), *flat, len(targets), prompts, weights)

    @property
    def size(self) -> int:
        """Tokens, padding included."""
        return self.ids.numel() + (0 if self.prompts is None else self.prompts.numel())

    @property
    def parts(self) -> tuple[Tensor | int | None, ...]:
        """What `ProgramLoss` takes."""
        return (*self._tensors, self.longest)

    @property
    def shape(self) -> tuple[torch.Size | int | None, ...]:
        """What batches have in common that are computed in the same steps."""
        return (*(None if part is None else part.shape for part in self._tensors), self.longest)

    def to(self, device: torch.device) -> Batch:
        """The same on a device; a copy to a GPU goes on while the processor does."""
        ids, predicting, targets, *others = (None if part is None else _copied(part, device) for part in self._tensors)
        return Batch(ids, predicting, targets, self.program_tokens, *others, self.longest)

    def take(self, other: Batch) -> None:
        """Copy what a batch of the same shape has into this one's tensors."""
        for mine, given in zip(self._tensors, other._tensors, strict=True):
            if mine is not None:
                mine.copy_(given.pin_memory() if mine.is_cuda else given, non_blocking=True)

    @property
    def _tensors(self) -> tuple[Tensor | None, ...]:
        parts = self.prompts, self.weights, self.positions, self.bounds
        return self.ids, self.predicting, self.targets, *parts


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Padding:
    """Makes padded batches of at most `batch_tokens`, or of one example.

    `start` is as in `Batch.of`; lengths are padded to a `multiple`. Examples are sorted in pools of `pool_batches`.
    """

    def __init__(
        self, batch_tokens: int, start: int | None = None, multiple: int = 1, pool_batches: int = POOL_BATCHES
    ) -> None:
        self.batch_tokens = batch_tokens
        self.start = start
        self.multiple = multiple
        self.pool_batches = pool_batches

    def plan(self, examples: Examples, generator: np.random.Generator | None) -> list[Integers]:
        """Indices of examples, batch by batch: shuffled, sorted by length in pools, and the batches shuffled; without a
        generator all are sorted by length."""
        # The tokens of each example, (n, parts): of the one sequence that it is, or of its prompt and its program.
        parts = examples.lengths[:, None]
        if self.start is not None:
            parts = np.column_stack([examples.prompts, examples.programs])
        parts = -(-parts // self.multiple) * self.multiple
        sizes = parts.sum(1)
        if generator is None:
            return _cut(np.argsort(sizes, kind="stable"), parts, self.batch_tokens)
        order = generator.permutation(len(sizes))
        pool = max(1, int(self.pool_batches * self.batch_tokens / sizes.mean()))
        batches = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            batches += _cut(members[np.argsort(sizes[members], kind="stable")], parts, self.batch_tokens)
        return [batches[index] for index in generator.permutation(len(batches))]

    def batch(self, examples: Sequence[Example]) -> Batch:
        """One batch of examples."""
        return Batch.of(examples, self.start, self.multiple)


def _cut(order: Integers, parts: Integers, limit: int) -> list[Integers]:
    """Cut indices in order of size into batches; `parts` (n, k) are the lengths of all examples."""
    cuts, start = [], 0
    longest = [0] * parts.shape[1]
    for position, lengths in enumerate(parts[order].tolist()):  # arrays of some numbers would take longer
        longest = [*map(max, longest, lengths)]
        if position > start and (position - start + 1) * sum(longest) > limit:
            cuts.append(position)
            start, longest = position, lengths
    return np.split(order, cuts)
