"""What the samplers have in common: one checkpoint at a time, one stream of samples at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import torch

from engine.sampler.config import SamplerConfig
from engine.sampler.constraint import policy_grammar
from engine.sampler.device import fitted
from engine.sampler.protocol import Sample, SampleRequest, check_requests
from engine.sampler.published import Published
from trainer.checkpoint import load_codec


class CheckpointSampler(ABC):
    """A `Sampler` but for loading weights and drawing samples, which a subclass does."""

    def __init__(self, checkpoint: Path, config: SamplerConfig, max_model_len: int) -> None:
        self._config = config = fitted(config)
        self._max_model_len = max_model_len
        self._published = Published.read(checkpoint)
        self._published.check_length(max_model_len)
        self._grammar = policy_grammar(load_codec(checkpoint), config.max_tokens, config.types, config.primitives)
        self._streaming = False
        self._closed = False

    @property
    def policy_version(self) -> int:
        return self._published.policy_version

    def sample(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        self._check_idle()
        check_requests(requests, len(self._published.tokens), self._max_model_len, self._config.max_tokens)
        return self._exclusive(requests)

    def swap(self, checkpoint: Path) -> None:
        self._check_idle()
        published = Published.read(checkpoint)
        self._published.check_successor(published)
        with self._threads():
            self._load(published)

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abstractmethod
    def _stream(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        """Draw the samples of checked requests; clean up when closed early."""

    @abstractmethod
    def _load(self, published: Published) -> None:
        """Replace the weights by those of another checkpoint, which have the same names, shapes and types.

        `self._published` becomes that one as soon as nothing of it can be missing.
        """

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """The thread count of sampling, for one step of it."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self._config.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def _exclusive(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        self._check_idle()
        self._streaming = True
        try:
            yield from self._stream(requests)
        finally:
            self._streaming = False

    def _check_idle(self) -> None:
        if self._closed:
            raise RuntimeError("this sampler is closed")
        if self._streaming:
            raise RuntimeError("samples are still being drawn: exhaust or close the iterator first")
