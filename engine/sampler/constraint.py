"""Only well-formed programs: the masks of `interpreter.grammar`, put on a batch of logits.

A sequence's state is advanced by its new tokens alone. A batch's masks are gathered and applied once a step. Ids
beyond PROGRAM_TOKENS (the grid alphabet) are never allowed. vLLM gets this as a batch-level logits processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from interpreter.grammar import Grammar, Mask

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor


class Tracker:
    """The grammar state of one sequence.

    `tokens` is the live list of what the sequence has written: whoever decodes appends to it, and the state follows
    on the next `allowed`. A new tracker over the same list (after a preemption) arrives at the same state.
    """

    def __init__(self, grammar: Grammar, tokens: list[int]) -> None:
        self._grammar = grammar
        self._tokens = tokens
        self._state = grammar.start()
        self._seen = 0

    def allowed(self) -> Mask:
        """Which of PROGRAM_TOKENS may come next. Raises `GrammarError` over a token that was not allowed."""
        for token in self._tokens[self._seen :]:
            self._state = self._grammar.advance(self._state, token)
        self._seen = len(self._tokens)
        return self._grammar.allowed(self._state)


def constrain(logits: torch.Tensor, trackers: Sequence[Tracker]) -> torch.Tensor:
    """Set what may not come next to -inf, in place: logits of shape (sequences, vocabulary), a tracker a row."""
    allowed = torch.from_numpy(np.stack([tracker.allowed() for tracker in trackers])).to(logits.device)
    programs = allowed.shape[1]
    logits[:, :programs].masked_fill_(~allowed, float("-inf"))
    logits[:, programs:] = float("-inf")
    return logits


def grammar_processor(grammar: Grammar) -> type[LogitsProcessor]:
    """The logits processor that holds every request of a vLLM engine to `grammar`.

    vLLM instantiates the class itself, hence a class and not an object. It is made for the V1 model runner without
    asynchronous scheduling, where the list of output tokens is complete before each step.
    """
    from vllm.v1.sample.logits_processor import LogitsProcessor, process_dict_updates

    class GrammarProcessor(LogitsProcessor):
        def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
            self._rows: dict[int, Tracker] = {}

        def is_argmax_invariant(self) -> bool:
            return False

        def update_state(self, batch_update: BatchUpdate | None) -> None:
            process_dict_updates(self._rows, batch_update, _tracker)

        def apply(self, logits: torch.Tensor) -> torch.Tensor:
            return constrain(logits, [self._rows[row] for row in range(len(logits))])

    def _tracker(params: SamplingParams, prompt: list[int] | None, output: list[int]) -> Tracker:
        return Tracker(grammar, output)

    return GrammarProcessor
