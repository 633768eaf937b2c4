"""The grammar of program tokens as a state machine.

It says which tokens may follow, from arities and known variables, and counts tokens: a line is only begun if
the program can still end in `O = ...` and <eos> within the limit. Pure and table-driven: the mask of a state
is one of a few hundred cached rows. The sampler wraps it; the parser's rules are the same.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter import layout
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.vocabulary import CALLS, EOS, LAST_LINE, PROGRAM_TOKENS, TOKEN_IDS, VARIABLES

Mask = npt.NDArray[np.bool_]

# `O`, a head, one argument, <eos>: what the shortest ending costs.
_ENDING = 4


class Phase(IntEnum):
    """What the next token is."""

    LINE = 0  # `O` or the head of a line
    HEAD = 1  # the head of the last line
    CALLEE = 2  # the variable that is called
    ARGUMENT = 3
    END = 4  # <eos>
    DONE = 5


class State(NamedTuple):
    """Where a program stands after some tokens; hashable."""

    phase: Phase
    variables: int  # variables defined so far
    pending: int  # arguments the line still wants
    last: bool  # whether this line defines `O`
    used: int  # tokens so far


class GrammarError(ValueError):
    """A token was advanced over that the grammar does not allow."""


# The number of tokens after the head of a line, by token id; 0 where the token is no head.
_BODY = np.zeros(len(PROGRAM_TOKENS), np.int64)
for _name, _primitive in PRIMITIVES.items():
    _BODY[TOKEN_IDS[_name]] = _primitive.arity
for _n, _call in enumerate(CALLS, 1):
    _BODY[TOKEN_IDS[_call]] = 1 + _n
_IS_CALL = np.isin(np.arange(len(PROGRAM_TOKENS)), [TOKEN_IDS[call] for call in CALLS])
_VALUES = [TOKEN_IDS[name] for name in ("I", *CONSTANTS, *PRIMITIVES)]
_VARIABLES = np.array([TOKEN_IDS[name] for name in VARIABLES])


class Grammar:
    """The state machine of programs of at most `max_tokens` tokens, <eos> included."""

    def __init__(self, max_tokens: int) -> None:
        if max_tokens < _ENDING:
            raise ValueError(f"max_tokens must be at least {_ENDING} (the shortest program), not {max_tokens}")
        self.max_tokens = max_tokens
        self._masks: dict[tuple[Phase, int, int], Mask] = {}

    def start(self) -> State:
        """The state before the first token."""
        return State(Phase.LINE, 0, 0, False, 0)

    def allowed(self, state: State) -> Mask:
        """Which of PROGRAM_TOKENS may come next: a read-only row, shared by equal situations."""
        key = (state.phase, state.variables, self._room(state))
        mask = self._masks.get(key)
        if mask is None:
            mask = self._masks[key] = self._mask(*key)
            mask.flags.writeable = False
        return mask

    def advance(self, state: State, token: int) -> State:
        """The state after one more token. Raises `GrammarError` if it is not allowed."""
        if not (0 <= token < len(PROGRAM_TOKENS) and self.allowed(state)[token]):
            name = PROGRAM_TOKENS[token] if 0 <= token < len(PROGRAM_TOKENS) else token
            raise GrammarError(f"token {name!r} is not allowed in phase {state.phase.name.lower()}")
        phase, variables, pending, last, used = state
        used += 1
        if phase is Phase.END:
            return State(Phase.DONE, variables, 0, last, used)
        if phase is Phase.CALLEE:
            return State(Phase.ARGUMENT, variables, pending, last, used)
        if phase is Phase.ARGUMENT:
            if pending > 1:
                return State(phase, variables, pending - 1, last, used)
            return (
                State(Phase.END, variables, 0, True, used) if last else State(Phase.LINE, variables + 1, 0, False, used)
            )
        if token == LAST_LINE:
            return State(Phase.HEAD, variables, 0, True, used)
        body = int(_BODY[token])
        if _IS_CALL[token]:
            return State(Phase.CALLEE, variables, body - 1, last, used)
        return State(Phase.ARGUMENT, variables, body, last, used)

    def _room(self, state: State) -> int:
        """The longest body that a line begun here may have (0: none; capped, so that masks are few)."""
        if state.phase is Phase.LINE:
            if state.variables >= layout.MAX_VARIABLES:
                return 0
            room = self.max_tokens - state.used - 1 - _ENDING
        elif state.phase is Phase.HEAD:
            room = self.max_tokens - state.used - 2
        else:
            return 0
        return min(max(room, 0), 1 + layout.MAX_ARITY)

    def _mask(self, phase: Phase, variables: int, room: int) -> Mask:
        mask = np.zeros(len(PROGRAM_TOKENS), np.bool_)
        known = _VARIABLES[:variables]
        if phase in (Phase.LINE, Phase.HEAD):
            mask[(_BODY > 0) & (room >= _BODY)] = True
            if variables == 0:
                mask[_IS_CALL] = False
            mask[LAST_LINE] = phase is Phase.LINE
        elif phase is Phase.CALLEE:
            mask[known] = True
        elif phase is Phase.ARGUMENT:
            mask[_VALUES] = True
            mask[known] = True
        else:
            mask[EOS] = True
        return mask
