"""The grammar over many programs at once, compiled: states as arrays, one pass for a token of each and all masks.

`grammar` is the readable machine, and the reference; what is here says the same of every state (`test_grammar_batch`).
A program has a slot, in which its state lies, whatever row of a batch it is in. A mask is a set of tokens, those that
may come next, a bit each (`grammar_tables`): a byte each would take longer to write and to read than to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.language.grammar import ENDING, Grammar, Phase, refusal
from interpreter.language.grammar_tables import ROOMS, TYPES, WORD_BITS, WORDS, Integers, tables
from interpreter.language.vocabulary import EOS, LAST_LINE, PROGRAM_TOKENS, TOKEN_IDS, VARIABLES
from interpreter.primitives.types import Function
from interpreter.runtime.native import SEARCH, entry, specialized

LINE, HEAD, CALL, ARGUMENT, END, DONE = (
    int(phase) for phase in (Phase.LINE, Phase.HEAD, Phase.CALLEE, Phase.ARGUMENT, Phase.END, Phase.DONE)
)
TOKENS, MOST_VARIABLES, FUNCTION = len(PROGRAM_TOKENS), len(VARIABLES), TYPES.index(Function)
# Where the variables lie in a set of tokens: they fill one word, but may be spread over two.
VARIABLE_WORD, VARIABLE_BIT = divmod(TOKEN_IDS[VARIABLES[0]], WORD_BITS)

HALF_BITS = WORD_BITS // 2
IMPOSSIBLE = np.float32(-np.inf)

NOTHING = -1  # tokens of a program that has not begun
# What `grammar.State` has, and which types (bits, CALLEE included) there is something of.
STATE = np.dtype([(name, np.int64) for name in ("phase", "head", "pending", "last", "used", "variables", "at_hand")])


class States(NamedTuple):
    """The states of some programs, by slot."""

    programs: np.ndarray
    """(slots,) of STATE."""
    fitting: Integers
    """(slots, len(TYPES)): the variables that may be of each type, a bit each."""
    allowed: Integers
    """(slots, WORDS): the tokens that may come next, a bit each."""

    @classmethod
    def new(cls, slots: int) -> States:
        return cls(np.zeros(slots, STATE), np.zeros((slots, len(TYPES)), np.int64), np.zeros((slots, WORDS), np.int64))


@specialized
def room(program, max_tokens):
    """The most tokens that may follow the head of a line begun here, as `Grammar` has it."""
    if program.phase == HEAD:
        tokens = max_tokens - program.used - 2
    elif program.variables < MOST_VARIABLES:
        tokens = max_tokens - program.used - 1 - ENDING
    else:
        tokens = 0
    return min(max(tokens, 0), ROOMS - 1)


@specialized
def add_variables(words, variables):
    """Add variables, a bit each, to a set of tokens."""
    words[VARIABLE_WORD] |= variables << VARIABLE_BIT
    if VARIABLE_BIT > 0:
        words[VARIABLE_WORD + 1] |= variables >> (WORD_BITS - VARIABLE_BIT)  # no variable is the sign


@specialized
def allow(t, states, slot, max_tokens):
    """Find what may come next."""
    program, words = states.programs[slot], states.allowed[slot]
    if program.phase == LINE or program.phase == HEAD:
        start = t.starts[program.phase, room(program, max_tokens)]
        for w in range(WORDS):
            words[w] = start[w]
        missing, wanted = t.can_lack & ~program.at_hand, 0
        while missing > 0:
            if missing & 1:
                for w in range(WORDS):
                    words[w] &= ~t.lacking[wanted, w]
            missing >>= 1
            wanted += 1
    elif program.phase == ARGUMENT:
        wanted = t.parameters[program.head, t.arity[program.head] - program.pending]
        for w in range(WORDS):
            words[w] = t.arguments[wanted, w]
        add_variables(words, states.fitting[slot, wanted])
    else:
        for w in range(WORDS):
            words[w] = 0
        if program.phase == CALL:
            add_variables(words, states.fitting[slot, FUNCTION])
        else:
            words[EOS // WORD_BITS] = 1 << EOS % WORD_BITS


@specialized
def end_line(t, states, slot):
    """A line has all its arguments: it defines a variable, or the output."""
    program = states.programs[slot]
    if program.last:
        program.phase = END
        return
    for type_ in range(len(TYPES)):
        states.fitting[slot, type_] |= ((t.gives[program.head] >> type_) & 1) << program.variables
    program.at_hand |= t.gives[program.head]
    program.variables += 1
    program.phase = LINE


@specialized
def advance(t, states, slot, max_tokens, token):
    """Enter a token; False, and nothing done, for one that is not allowed."""
    program = states.programs[slot]
    is_known = token >= 0 and token < TOKENS and program.phase != DONE
    if not is_known or not (states.allowed[slot, token // WORD_BITS] >> token % WORD_BITS) & 1:
        return False
    program.used += 1
    if program.phase == END:
        program.phase = DONE
    elif program.phase == CALL:
        program.phase = ARGUMENT
    elif program.phase == ARGUMENT:
        program.pending -= 1
        if program.pending == 0:
            end_line(t, states, slot)
    elif token == LAST_LINE:
        program.phase, program.last = HEAD, 1
    else:
        program.head, program.pending = token, t.arity[token]
        program.phase = CALL if t.is_call[token] else ARGUMENT
    allow(t, states, slot, max_tokens)
    return True


@specialized
def begin(t, states, slot, max_tokens):
    """A program without tokens."""
    program = states.programs[slot]
    program.phase, program.last, program.used, program.variables, program.at_hand = LINE, 0, 0, 0, 0
    for type_ in range(len(TYPES)):
        states.fitting[slot, type_] = 0
    allow(t, states, slot, max_tokens)


def _arguments_of_follow() -> tuple:
    return tables(True), States.new(1), 0, 0, np.zeros(1, np.int64)


@entry(_arguments_of_follow, group=SEARCH)
def follow(t, states, slot, max_tokens, tokens):
    """Begin anew and enter some tokens; how many were allowed."""
    begin(t, states, slot, max_tokens)
    for k in range(len(tokens)):
        if not advance(t, states, slot, max_tokens, tokens[k]):
            return k
    return len(tokens)


def _arguments_of_step() -> tuple:
    row = np.zeros(1, np.int64)
    return tables(True), States.new(1), 0, row, row, row, np.zeros((1, 1), np.int64)


@entry(_arguments_of_step, group=SEARCH)
def step(t, states, max_tokens, slots, lengths, tokens, masks):
    """See `GrammarBatch.step`."""
    read = 0
    for k in range(len(slots)):
        slot = slots[k]
        if states.programs[slot].used == NOTHING:
            begin(t, states, slot, max_tokens)
        ahead = lengths[k] - states.programs[slot].used
        if ahead != 0 and (ahead != 1 or not advance(t, states, slot, max_tokens, tokens[read])):
            return k
        read += lengths[k] > 0
        for w in range(WORDS):
            masks[k, w] = states.allowed[slot, w]
    return len(slots)


def _arguments_of_forbid() -> tuple:
    return np.zeros((1, 1), np.int32), 0, np.zeros((1, 1), np.float32)


@entry(_arguments_of_forbid, group=SEARCH)
def forbid(halves, tokens, logits):
    """See `forbid_others`. Words of 32 bits, as wide as logits, and whole words first: so LLVM makes vectors of it."""
    for k in range(len(logits)):
        for w in range(tokens // HALF_BITS):
            half = halves[k, w]
            for bit in range(HALF_BITS):
                at = w * HALF_BITS + bit
                logits[k, at] = logits[k, at] if half & (np.int32(1) << np.int32(bit)) else IMPOSSIBLE
        for at in range(tokens // HALF_BITS * HALF_BITS, tokens):
            if not (halves[k, at // HALF_BITS] >> at % HALF_BITS) & 1:
                logits[k, at] = IMPOSSIBLE
        for at in range(tokens, logits.shape[1]):
            logits[k, at] = IMPOSSIBLE


def forbid_others(masks: Integers, tokens: int, logits: npt.NDArray[np.float32]) -> None:
    """Set logits (rows, vocabulary) to minus infinity but for those of the first `tokens` ids that are in the masks."""
    forbid.compiled()(masks.view(np.int32), tokens, logits)


class GrammarBatch:
    """The states of at most `slots` programs under one grammar."""

    def __init__(self, grammar: Grammar, slots: int) -> None:
        self._tables = tables(grammar.typed, grammar.primitives)
        self._max_tokens = grammar.max_tokens
        self._states = States.new(slots)
        self._states.programs["used"] = NOTHING

    def start(self, slot: int) -> None:
        """A new program is in a slot from now on."""
        self._states.programs["used"][slot] = NOTHING

    def follow(self, slot: int, tokens: Sequence[int]) -> None:
        """The program in a slot is `tokens` from now on. Raises `GrammarError` over one that is not allowed."""
        written = np.array(tokens, np.int64)
        allowed = follow.compiled()(self._tables, self._states, slot, self._max_tokens, written)
        if allowed < len(tokens):
            raise refusal(tokens[allowed], Phase(self._states.programs["phase"][slot]))

    def step(self, slots: Integers, lengths: Integers, tokens: Integers, masks: Integers) -> int:
        """Advance the program of each row and write its mask: a row of `masks` (rows, WORDS).

        `slots` and `lengths` (rows,) are where the program's state lies and how many tokens it has, `tokens` the last
        ones of those programs that have any, in order. A program stays where it is, or is one token further. The result
        is the number of rows, or the first row that is neither or whose token is not allowed: `follow` it, and step
        again.
        """
        return step.compiled()(self._tables, self._states, self._max_tokens, slots, lengths, tokens, masks)
