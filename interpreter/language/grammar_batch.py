"""The grammar over many programs at once, compiled: states as arrays, one pass for a token of each and all masks.

`grammar` is the readable machine, and the reference; what is here says the same of every state (`test_grammar_batch`).
A program has a slot, in which its state lies, whatever row of a batch it is in.

A mask is a row of ceilings, which logits are lowered to: infinity for a token that may come next, else minus infinity.
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

Ceilings = npt.NDArray[np.float32]

LINE, HEAD, CALL, ARGUMENT, END, DONE = (
    int(phase) for phase in (Phase.LINE, Phase.HEAD, Phase.CALLEE, Phase.ARGUMENT, Phase.END, Phase.DONE)
)
TOKENS, MOST_VARIABLES, FUNCTION = len(PROGRAM_TOKENS), len(VARIABLES), TYPES.index(Function)
# Where the variables lie in a set of tokens: they fill one word, but may be spread over two.
VARIABLE_WORD, VARIABLE_BIT = divmod(TOKEN_IDS[VARIABLES[0]], WORD_BITS)

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
def write(words, k, tokens, ceilings):
    """Write row k of the ceilings: of the first `tokens` tokens."""
    for w in range((tokens + WORD_BITS - 1) // WORD_BITS):
        word, first = words[w], w * WORD_BITS
        for j in range(min(WORD_BITS, tokens - first)):
            ceilings[k, first + j] = np.inf if (word >> j) & 1 else -np.inf


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
    return tables(True), States.new(1), 0, row, row, row, np.zeros((1, 1), np.float32)


@entry(_arguments_of_step, group=SEARCH)
def step(t, states, max_tokens, slots, lengths, tokens, ceilings):
    """See `GrammarBatch.step`."""
    for k in range(len(slots)):
        slot = slots[k]
        if states.programs[slot].used == NOTHING:
            begin(t, states, slot, max_tokens)
        ahead = lengths[k] - states.programs[slot].used
        if ahead != 0 and (ahead != 1 or not advance(t, states, slot, max_tokens, tokens[k])):
            return k
        write(states.allowed[slot], k, TOKENS, ceilings)
    return len(slots)


def _arguments_of_write_all() -> tuple:
    return np.zeros((1, 1), np.int64), 1, np.zeros((1, 1), np.float32)


@entry(_arguments_of_write_all, group=SEARCH)
def write_all(words, tokens, ceilings):
    for k in range(len(words)):
        write(words[k], k, tokens, ceilings)


def write_ceilings(words: Integers, tokens: int, ceilings: Ceilings) -> None:
    """Ceilings (rows, at least tokens) of sets of tokens (rows, words); see `grammar_tables.pack`."""
    write_all.compiled()(words, tokens, ceilings)


class GrammarBatch:
    """The states of at most `slots` programs under one grammar."""

    def __init__(self, grammar: Grammar, slots: int) -> None:
        self._tables = tables(grammar.typed)
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

    def step(self, slots: Integers, lengths: Integers, tokens: Integers, ceilings: Ceilings) -> int:
        """Advance the program of each row and write its mask, in the first columns of `ceilings`.

        `slots`, `lengths` and `tokens` (rows,) are where the program's state lies, how many tokens it has, and the last
        of them. A program stays where it is, or is one token further. The result is the number of rows, or the first
        row that is neither or whose token is not allowed: `follow` it, and step again.
        """
        return step.compiled()(self._tables, self._states, self._max_tokens, slots, lengths, tokens, ceilings)
