"""Examples: what a policy learns from, many of them packed into a few arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import numpy.typing as npt

from interpreter.grids import pieces

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """The ids that a policy is given, and the ids (with <eos>) that it should write."""

    prompt: tuple[int, ...]
    program: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.program)


@dataclass(frozen=True, eq=False)
class Examples(Sequence[Example]):
    """Examples one after the other: example k is `tokens[starts[k] : starts[k + 1]]`, first its prompt."""

    tokens: npt.NDArray[np.int32]
    starts: Integers
    """(n + 1,)"""
    prompts: Integers
    """(n,): how many tokens are the prompt's"""
    weights: npt.NDArray[np.float32] | None = None
    """(n,): what the loss of each is multiplied by; None: by 1"""

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Examples:
        """The arrays of examples; what has them already stays as it is."""
        if isinstance(examples, Examples):
            return examples
        tokens = [token for example in examples for part in (example.prompt, example.program) for token in part]
        starts = np.cumsum([0, *map(len, examples)], dtype=np.int64)
        prompts = np.array([len(example.prompt) for example in examples], np.int64)
        return cls(np.array(tokens, np.int32), starts, prompts)

    @classmethod
    def concatenate(cls, parts: Sequence[Examples]) -> Examples:
        """The examples of several parts, in order."""
        lengths = np.concatenate([np.zeros(1, np.int64), *(part.lengths for part in parts)])
        tokens = np.concatenate([np.zeros(0, np.int32), *(part.tokens for part in parts)])
        prompts = np.concatenate([np.zeros(0, np.int64), *(part.prompts for part in parts)])
        found = cls(tokens, np.cumsum(lengths), prompts)
        if all(part.weights is None for part in parts):
            return found
        ones = (np.ones(len(part), np.float32) if part.weights is None else part.weights for part in parts)
        return found.weighted(np.concatenate(list(ones)))

    def weighted(self, weights: npt.NDArray[np.floating] | None) -> Examples:
        """The same with weights (n,) of the losses, or without."""
        return replace(self, weights=None if weights is None else weights.astype(np.float32))

    @property
    def lengths(self) -> Integers:
        """(n,): the tokens of each example."""
        return np.diff(self.starts)

    @property
    def programs(self) -> Integers:
        """(n,): how many tokens are the program's."""
        return self.lengths - self.prompts

    @property
    def weight(self) -> float:
        """The program tokens, each as often as its loss counts."""
        return float(self.programs.sum() if self.weights is None else self.programs @ self.weights.astype(np.float64))

    def take(self, order: Integers) -> Examples:
        """The examples at the indices `order`."""
        source, starts = pieces(self.starts, order)
        weights = None if self.weights is None else self.weights[order]
        return Examples(self.tokens[source], starts, self.prompts[order], weights)

    def __len__(self) -> int:
        return len(self.prompts)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Examples: ...

    def __getitem__(self, index: int | slice) -> Example | Examples:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        index = range(len(self))[index]
        ids = tuple(self.tokens[self.starts[index] : self.starts[index + 1]].tolist())
        return Example(ids[: self.prompts[index]], ids[self.prompts[index] :])

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))


def padded(
    tokens: npt.NDArray[np.int32], starts: Integers, ends: Integers, padding: int, multiple: int = 1
) -> Integers:
    """Pieces of `tokens` as rows (n, length), padded on the right to the longest, rounded up to a multiple."""
    lengths = ends - starts
    rows = np.full((len(starts), -(-lengths.max() // multiple) * multiple), padding, np.int64)
    columns = np.arange(rows.shape[1])
    real = columns < lengths[:, None]
    rows[real] = tokens[(starts[:, None] + columns)[real]]
    return rows
