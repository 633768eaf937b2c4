"""Sampling with `generate` of transformers, as the official CodeIt code does it, written anew.

Prompts are sorted by length and cut into batches, each prompt is repeated for its n samples
(`num_return_sequences`), prefilled that often, and a batch goes on until its longest sample ends. A decoder-only
model is padded on the left; an encoder-decoder one on the right, and its encoder reads each prompt once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from engine.sampler.constraint import Constraint, PolicyGrammar
from interpreter.language.vocabulary import EOS, PAD

Rows = Sequence[tuple[int, int]]  # (prompt, index of the sample) of each row of a batch


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    n: int,
    rows: int,
    max_tokens: int,
    temperature: float,
    rule: Callable[[Rows], LogitsProcessor],
) -> dict[tuple[int, int], tuple[int, ...]]:
    """The tokens of each (prompt, sample), <eos> included, `rows` of them decoded at a time.

    `rule` makes the processor that decides what a batch may write, and so where its samples end. Temperature 0 is
    greedy. Needs PAD and EOS to be the model's.
    """
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    size = max(1, rows // n)
    how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
    found = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        keys = [(number, k) for number in batch for k in range(n)]
        ids, mask = _padded([prompts[number] for number in batch], left=not model.config.is_encoder_decoder)
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                num_return_sequences=n,
                max_new_tokens=max_tokens,
                logits_processor=LogitsProcessorList([rule(keys)]),
                pad_token_id=PAD,
                eos_token_id=EOS,
                **({"do_sample": False} | how),
            )
        first = 1 if model.config.is_encoder_decoder else ids.shape[1]
        for key, tokens in zip(keys, written[:, first:].tolist(), strict=True):
            found[key] = tuple(tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens)
    return found


class GrammarRule(LogitsProcessor):
    """Well-formed programs only, as the samplers write them."""

    def __init__(self, grammar: PolicyGrammar, rows: Rows) -> None:
        self._written: list[list[int]] = [[] for _ in rows]
        self._constraint = Constraint(grammar, len(rows))
        for row, tokens in enumerate(self._written):
            self._constraint.start(row, tokens)
        self._started = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._started:
            for tokens, token in zip(self._written, input_ids[:, -1].tolist(), strict=True):
                if tokens[-1:] != [EOS]:  # what follows is padding
                    tokens.append(token)
        self._started = True
        return self._constraint.apply(scores)


class LengthRule(LogitsProcessor):
    """Each row ends after as many tokens as `lengths` says, <eos> included, and not before."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = torch.tensor(lengths)
        self._steps = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._steps += 1
        ending = (self._lengths <= self._steps).to(scores.device)
        eos = scores[:, EOS].masked_fill(ending, 0.0).masked_fill(~ending, float("-inf"))
        scores = scores.masked_fill(ending[:, None], float("-inf"))
        scores[:, EOS] = eos
        return scores


def _padded(prompts: Sequence[Sequence[int]], left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, (prompts, longest)."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), PAD)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        part = slice(longest - len(prompt), None) if left else slice(len(prompt))
        ids[row, part] = torch.tensor(prompt)
        mask[row, part] = 1
    return ids, mask
