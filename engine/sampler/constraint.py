"""Only well-formed programs: the masks of a grammar, put on a batch of logits, with the noise that draws a sample.

The grammar is `language.grammar` for compact policies and `trainer.text.grammar` for those with a tokenizer; here they
run over all rows at once. A row's state is advanced by its last token alone. Ids that no program has (the grid
alphabet, most of a tokenizer's pieces) are never allowed. The noise (`noise`) makes the argmax of what comes out a
sample at a temperature. vLLM gets this as a batch-level logits processor.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import UsageError
from engine.sampler.config import NOT_FOR_TEXT
from engine.sampler.noise import gumbel, row_keys, token_codes
from interpreter.language.grammar import Grammar, GrammarError, Mask
from interpreter.language.grammar_batch import GrammarBatch, forbid_others
from interpreter.language.grammar_tables import WORD_BITS, Integers, words_of
from interpreter.language.noise import perturb
from interpreter.language.vocabulary import EOS, PROGRAM_TOKENS
from trainer.codec import Codec
from trainer.text.batch import TextBatch, TextGraph
from trainer.text.codec import TextCodec
from trainer.text.grammar import TextGrammar

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor

SEED = "codeit_seed"  # of a request, among vLLM's `extra_args`

_last = itemgetter(-1)


class PolicyBatch(Protocol):
    """States of programs in slots, advanced together; see `GrammarBatch`."""

    def start(self, slot: int) -> None:
        """A new program is in a slot from now on."""

    def follow(self, slot: int, tokens: Sequence[int]) -> None:
        """The program in a slot is `tokens` from now on. Raises `GrammarError` over one that is not allowed."""

    def step(self, slots: Integers, lengths: Integers, tokens: Integers, masks: Integers) -> int:
        """Advance the program of each row by its last token, if it has a new one, and write its mask. The number of
        rows, or the first row whose program must be followed anew."""


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

    def batch(self, slots: int) -> PolicyBatch:
        """The same machine over at most `slots` programs at once."""


class CompactGrammar(Grammar):
    """`interpreter.language.grammar` over the tokens of compact policies, which begin with those of programs."""

    ids = np.arange(len(PROGRAM_TOKENS))
    eos = EOS

    def batch(self, slots: int) -> GrammarBatch:
        return GrammarBatch(self, slots)


class PieceGrammar(TextGrammar):
    """`trainer.text.grammar` over the tokens of a tokenizer; what its batches learn of it they share."""

    def batch(self, slots: int) -> TextBatch:
        return TextBatch(self._graph, slots)

    @cached_property
    def _graph(self) -> TextGraph:
        return TextGraph(self)


def policy_grammar(codec: Codec, max_tokens: int, typed: bool, primitives: Collection[str] = ()) -> PolicyGrammar:
    """The grammar of a codec's programs of at most `max_tokens` tokens, of some primitives or all. Only that of compact
    ones knows types; raises `UsageError` for a text policy that should know some primitives only."""
    if not isinstance(codec, TextCodec):
        return CompactGrammar(max_tokens, typed, primitives)
    if primitives:
        raise UsageError(NOT_FOR_TEXT)
    return PieceGrammar(codec, max_tokens)


class Constraint:
    """A grammar on the rows of a batch of logits, of which the largest are to be taken.

    A row's program is a live list of tokens: whoever decodes appends to it, and its state follows on the next `apply`.
    A program that has tokens already when it is put into a row (after a preemption), or loses some, is followed from
    its beginning. A program's state stays in its slot when its row changes. With a temperature above 0, what is drawn
    next for a program depends on its logits, seed and length alone.
    """

    def __init__(self, grammar: PolicyGrammar, rows: int, temperature: float = 0.0, is_pinned: bool = False) -> None:
        self._ids = torch.from_numpy(grammar.ids)
        self._codes = token_codes(self._ids)
        self._is_prefix = np.array_equal(grammar.ids, np.arange(len(grammar.ids)))
        self._temperature = temperature
        self._batch = grammar.batch(rows)
        self._slots = np.arange(rows)
        self._programs: list[list[int]] = [[] for _ in range(rows)]
        self._seeds = np.zeros(rows, np.int64)
        self._width = words_of(len(grammar.ids))
        # What a device needs of a step: masks of so many words, then a key for each row, in one piece.
        self._packed = torch.zeros(rows * (self._width + 1), dtype=torch.int64, pin_memory=is_pinned)
        self._words: Integers = self._packed.numpy()  # the same memory, because slices of tensors take long
        self._bits = torch.arange(WORD_BITS)

    def start(self, row: int, program: list[int], seed: int = 0) -> None:
        """Put a program into a row, in place of what is there. A seed has 63 bits."""
        self._programs[row], self._seeds[row] = program, seed
        self._batch.start(self._slots[row])

    def exchange(self, row: int, other: int) -> None:
        """Exchange the programs of two rows."""
        for column in (self._slots, self._programs, self._seeds):
            column[row], column[other] = column[other], column[row]

    def keep(self, rows: Sequence[int]) -> None:
        """Let some rows, in ascending order, be the first ones; of the others nothing is known."""
        for row, kept in enumerate(rows):
            self.exchange(row, kept)

    def advance(self, rows: int) -> Integers:
        """Advance the first `rows` programs: which of the grammar's `ids` may come next in each.

        (rows, words) int64, a bit each (`grammar_tables`); the next call writes there again. Raises `GrammarError` over
        a token that was not allowed.
        """
        masks, slots, programs = self._masks(rows), self._slots[:rows], self._programs
        if rows < len(programs):
            programs = programs[:rows]
        lengths = np.fromiter(map(len, programs), np.int64, rows)
        tokens = np.fromiter(map(_last, filter(None, programs)), np.int64)
        while (row := self._batch.step(slots, lengths, tokens, masks)) < rows:
            try:
                self._batch.follow(slots[row], programs[row])
            except GrammarError as error:
                raise GrammarError(f"row {row}, {lengths[row]} tokens long: {error}") from None
        if self._temperature > 0:
            self._keys(rows)[:] = row_keys(self._seeds[:rows], lengths)
        return masks

    def _masks(self, rows: int) -> Integers:
        return self._words[: rows * self._width].reshape(rows, self._width)

    def _keys(self, rows: int) -> Integers:
        return self._words[rows * self._width : rows * (self._width + 1)]

    def forbid(self, logits: torch.Tensor) -> torch.Tensor:
        """Set what is not in the masks that `advance` gave last to -inf, in place; with a temperature, divide what is
        by it and add the noise."""
        rows, is_random = len(logits), self._temperature > 0
        whole = _with_padding(logits)
        if whole is None or not (is_random or self._is_prefix):
            return self._forbid_there(logits)
        if is_random:
            scale, ids = 1 / self._temperature, self._ids.numpy()
            perturb.compiled()(self._masks(rows), ids, self._keys(rows), scale, whole.numpy())
        else:
            forbid_others(self._masks(rows), len(self._ids), whole.numpy())
        return logits

    def _forbid_there(self, logits: torch.Tensor) -> torch.Tensor:
        """`forbid` as tensor operations, wherever the logits are and of whatever type."""
        rows, tokens = len(logits), len(self._ids)
        self._ids, self._codes, self._bits = (x.to(logits.device) for x in (self._ids, self._codes, self._bits))
        # Pinned memory is free again before the next step: its tokens depend on this one.
        packed = self._packed[: rows * (self._width + 1)].to(logits.device, non_blocking=True)
        words, keys = packed[: rows * self._width].view(rows, self._width), packed[rows * self._width :]
        is_forbidden = ((words[:, :, None] >> self._bits) & 1).flatten(1)[:, :tokens] == 0
        kept = logits[:, :tokens] if self._is_prefix else logits[:, self._ids]
        if self._temperature > 0:
            kept.mul_(1 / self._temperature).sub_(gumbel(keys, self._codes))
        kept.masked_fill_(is_forbidden, float("-inf"))
        if self._is_prefix:
            logits[:, tokens:].fill_(float("-inf"))
            return logits
        return logits.fill_(float("-inf")).index_copy_(1, self._ids, kept)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Let the largest of logits (rows, vocabulary) be the next tokens, in place: those that may come next alone,
        and at a temperature above 0 at random."""
        self.advance(len(logits))
        return self.forbid(logits)


def _with_padding(logits: torch.Tensor) -> torch.Tensor | None:
    """Logits for compiled code: on a CPU, float32, with the columns that vLLM pads a vocabulary with, so that rows
    follow each other in memory. None where they are of another kind."""
    if logits.device.type != "cpu" or logits.dtype != torch.float32:
        return None
    if logits.is_contiguous():
        return logits
    width, step = logits.stride()
    first, end = logits.storage_offset(), logits.storage_offset() + width * len(logits)
    is_padded = step == 1 and width >= logits.shape[1] and end * logits.itemsize <= logits.untyped_storage().nbytes()
    return logits.as_strided((len(logits), width), (width, 1), first) if is_padded else None


def grammar_processor(grammar: PolicyGrammar, temperature: float = 0.0) -> type[LogitsProcessor]:
    """The logits processor that holds every request of a vLLM engine to `grammar`.

    Requests are greedy for vLLM, whatever the temperature: it takes the largest of what this one leaves, which has the
    noise of the request's seed (`SEED` among its `extra_args`).

    vLLM instantiates the class itself, hence a class and not an object. It is made for the V1 model runner without
    asynchronous scheduling, where the list of output tokens is complete before each step.
    """
    from vllm.v1.sample.logits_processor import LogitsProcessor

    class GrammarProcessor(LogitsProcessor):
        def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
            is_pinned = is_pin_memory and device.type == "cuda"
            rows = vllm_config.scheduler_config.max_num_seqs
            self._constraint = Constraint(grammar, rows, temperature, is_pinned)

        def is_argmax_invariant(self) -> bool:
            return False

        def update_state(self, batch_update: BatchUpdate | None) -> None:
            """Follow the programs to their rows. What leaves the batch needs nothing: its row is taken by another one,
            or lies behind the batch. A move into an empty row is an exchange, too."""
            if batch_update is None:
                return
            for row, params, _, output in batch_update.added:
                self._constraint.start(row, output, (params.extra_args or {}).get(SEED, 0))
            for row, other, _ in batch_update.moved:
                self._constraint.exchange(row, other)

        def apply(self, logits: torch.Tensor) -> torch.Tensor:
            return self._constraint.apply(logits)

    return GrammarProcessor
