"""Sampling with transformers: the reference for the vLLM sampler, and the way on a machine without vLLM.

Each prompt is prefilled (by an encoder-decoder, encoded), its cache is repeated for its samples, `max_sequences` at a
time, and these are decoded together, one token a step. Rows that finish leave the batch. Samples are those of the vLLM
sampler, up to the rounding of matrix products: `constraint` draws for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import Cache

from engine.sampler.base import CheckpointSampler
from engine.sampler.config import SamplerConfig
from engine.sampler.constraint import Constraint
from engine.sampler.protocol import Sample, SampleRequest, sample_seed
from engine.sampler.published import Published
from trainer.checkpoint import MODEL
from trainer.policy import load_policy


class TransformersSampler(CheckpointSampler):
    """A `Sampler` on transformers. See `open_sampler`."""

    def __init__(self, checkpoint: Path, config: SamplerConfig, max_model_len: int) -> None:
        super().__init__(checkpoint, config, max_model_len)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        policy = load_policy(checkpoint, self._published.tokens)
        self._policy = policy.to(self._device, getattr(torch, self._config.dtype)).eval()

    def close(self) -> None:
        super().close()
        self._policy = None

    def _load(self, published: Published) -> None:
        weights = load_file(published.folder / MODEL)
        self._published = published
        self._policy.load_state_dict(weights, strict=False)  # names of tied tensors are not there, no others miss

    def _stream(self, requests: Sequence[SampleRequest]) -> Iterator[Sample]:
        size = self._config.max_sequences
        for number, request in enumerate(requests):
            for first in range(0, request.n, size):
                yield from self._together(number, request, range(first, min(first + size, request.n)))

    def _together(self, number: int, request: SampleRequest, indices: range) -> Iterator[Sample]:
        """Some of a request's samples, as they finish."""
        rows = [_Row(k, self._grammar.eos, self._config.max_tokens) for k in indices]
        constraint = Constraint(self._grammar, len(rows), self._config.temperature)
        for place, row in enumerate(rows):
            constraint.start(place, row.tokens, sample_seed(request.seed, row.index))
        with self._threads():
            logits, cache = self._prefill(request, len(rows))
            self._write(rows, constraint, logits)
        while True:
            for row in rows:
                if row.done:
                    yield Sample(number, row.index, tuple(row.tokens), self.policy_version, row.finished)
            kept = [i for i, row in enumerate(rows) if not row.done]
            if not kept:
                break
            with self._threads():
                if len(kept) < len(rows):
                    rows = [rows[i] for i in kept]
                    constraint.keep(kept)
                    cache.batch_select_indices(torch.tensor(kept, device=self._device))
                self._write(rows, constraint, self._decode(rows, cache))

    @torch.inference_mode()
    def _prefill(self, request: SampleRequest, n: int) -> tuple[torch.Tensor, Cache]:
        """Logits (n, vocabulary) after the prompt, and its cache for n rows."""
        prompt = torch.tensor([request.prompt], device=self._device)
        if self._published.kind == "seq2seq":
            start = torch.tensor([[self._policy.config.decoder_start_token_id]], device=self._device)
            output = self._policy(input_ids=prompt, decoder_input_ids=start, use_cache=True)
        else:
            output = self._policy(prompt, use_cache=True, logits_to_keep=1)
        output.past_key_values.batch_repeat_interleave(n)
        return output.logits[:, -1].repeat(n, 1), output.past_key_values

    @torch.inference_mode()
    def _decode(self, rows: Sequence[_Row], cache: Cache) -> torch.Tensor:
        """Logits (rows, vocabulary) after the last token of each row, which enters the cache."""
        tokens = torch.tensor([row.tokens[-1:] for row in rows], device=self._device)
        if self._published.kind == "seq2seq":
            # What the encoder gave is in the cache; its output is only asked for its shape.
            encoded = torch.empty(len(rows), 1, self._policy.config.d_model, device=self._device)
            read = {"decoder_input_ids": tokens, "encoder_outputs": (encoded,)}
        else:
            read = {"input_ids": tokens}
        return self._policy(**read, past_key_values=cache, use_cache=True).logits[:, -1]

    @torch.inference_mode()
    def _write(self, rows: Sequence[_Row], constraint: Constraint, logits: torch.Tensor) -> None:
        """Choose the next token of each row."""
        scores = constraint.apply(logits.float())
        for row, token in zip(rows, scores.argmax(-1).tolist(), strict=True):
            row.tokens.append(token)


class _Row:
    """A sample that is being written."""

    def __init__(self, index: int, end: int, max_tokens: int) -> None:
        self.index = index
        self.tokens: list[int] = []
        self._end = end
        self._max_tokens = max_tokens

    @property
    def finished(self) -> bool:
        """Whether the program has ended; the grammar of compact policies brings every row here within its limit."""
        return self.tokens[-1] == self._end

    @property
    def done(self) -> bool:
        return self.finished or len(self.tokens) == self._max_tokens
