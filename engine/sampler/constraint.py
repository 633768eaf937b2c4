"""Only well-formed programs: the masks of a grammar, put on a batch of logits.

The grammar is `language.grammar` for compact policies and `trainer.text_grammar` for those with a tokenizer. A
sequence's state is advanced by its new tokens alone. A batch's masks are gathered and applied once a step. Ids that no
program has (the grid alphabet, most of a tokenizer's pieces) are never allowed. vLLM gets this as a batch-level logits
processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from interpreter.language.grammar import Grammar, Mask
from interpreter.language.vocabulary import EOS, PROGRAM_TOKENS
from trainer.codec import Codec
from trainer.text_codec import TextCodec
from trainer.text_grammar import TextGrammar

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor


class PolicyGrammar(Protocol):
    """A state machine of programs over the tokens of a policy; states are immutable."""

    ids: npt.NDArray[np.int64]
    """All tokens (k,) that a program may ever have, in order."""
    eos: int
    """The token that ends a program."""

    def start(self) -> Any:
        """The state before the first token."""

    def advance(self, state: Any, token: int) -> Any:
        """The state after one more token. Raises `GrammarError` for one that is not allowed."""

    def allowed(self, state: Any) -> Mask:
        """Which of `ids` may come next: (k,) bool."""


class CompactGrammar(Grammar):
    """`interpreter.language.grammar` over the tokens of compact policies, which begin with those of programs."""

    ids = np.arange(len(PROGRAM_TOKENS))
    eos = EOS


def policy_grammar(codec: Codec, max_tokens: int, typed: bool) -> PolicyGrammar:
    """The grammar of a codec's programs of at most `max_tokens` tokens; only that of compact ones knows types."""
    if isinstance(codec, TextCodec):
        return TextGrammar(codec, max_tokens)
    return CompactGrammar(max_tokens, typed)


class Tracker:
    """The grammar state of one sequence.

    `tokens` is the live list of what the sequence has written: whoever decodes appends to it, and the state follows
    on the next `allowed`. A new tracker over the same list (after a preemption) arrives at the same state.
    """

    def __init__(self, grammar: PolicyGrammar, tokens: list[int]) -> None:
        self.ids = grammar.ids
        self._grammar = grammar
        self._tokens = tokens
        self._state = grammar.start()
        self._seen = 0

    def allowed(self) -> Mask:
        """Which of `ids` may come next. Raises `GrammarError` over a token that was not allowed."""
        for token in self._tokens[self._seen :]:
            self._state = self._grammar.advance(self._state, token)
        self._seen = len(self._tokens)
        return self._grammar.allowed(self._state)


def constrain(logits: torch.Tensor, trackers: Sequence[Tracker]) -> torch.Tensor:
    """Set what may not come next to -inf, in place: logits of shape (sequences, vocabulary), a tracker a row.

    All trackers have the same grammar.
    """
    ids = torch.from_numpy(trackers[0].ids).to(logits.device)
    allowed = torch.from_numpy(np.stack([tracker.allowed() for tracker in trackers])).to(logits.device)
    kept = logits[:, ids].masked_fill_(~allowed, float("-inf"))
    return logits.fill_(float("-inf")).index_copy_(1, ids, kept)


def grammar_processor(grammar: PolicyGrammar) -> type[LogitsProcessor]:
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
