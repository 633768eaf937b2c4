"""The grammar of program tokens as a state machine.

It says which tokens may follow, from arities, known variables and, if wanted, declared types, and counts tokens: a
line is only begun if the program can still end in `O = ...` and <eos> within the limit. Pure and table-driven. The
parser's rules are the same. The sampler runs many programs at once: `grammar_batch` is this in compiled code, and its
masks are these. Both can be held to some of the primitives.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from interpreter.language.vocabulary import CALLS, EOS, LAST_LINE, PROGRAM_TOKENS, TOKEN_IDS, VARIABLES
from interpreter.primitives import CONSTANTS, PRIMITIVES, constant_type
from interpreter.primitives.types import Any, Function, Grid, Type, may_be
from interpreter.runtime import layout

Mask = npt.NDArray[np.bool_]
Value = TypeVar("Value")

# `O`, a head, one argument, <eos>: what the shortest ending costs.
ENDING = 4
# Masks kept at most; more is forgotten all at once.
_CACHED = 1 << 16


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
    types: tuple[Type, ...]  # of the variables defined so far
    head: int  # token that the line began with
    pending: int  # arguments that the line still wants
    last: bool  # whether this line defines `O`
    used: int  # tokens so far


class GrammarError(ValueError):
    """A token was advanced over that the grammar does not allow."""


class Head(NamedTuple):
    """A token that begins a line: the types of its arguments, and of its result."""

    parameters: tuple[Type, ...]
    returns: Type
    is_call: bool


HEADS: dict[int, Head] = {
    **{TOKEN_IDS[name]: Head(p.parameters, p.returns, False) for name, p in PRIMITIVES.items()},
    **{TOKEN_IDS[call]: Head((Any,) * n, Any, True) for n, call in enumerate(CALLS, 1)},
}
IMMEDIATES: dict[int, Type] = {
    TOKEN_IDS["I"]: Grid,
    **{TOKEN_IDS[name]: constant_type(name) for name in CONSTANTS},
    **{TOKEN_IDS[name]: Function for name in PRIMITIVES},
}
_VARIABLES = [TOKEN_IDS[name] for name in VARIABLES]


def subset(primitives: Collection[str]) -> frozenset[str] | None:
    """Some primitives, None for all, which no name stands for. Raises ValueError for an unknown one."""
    unknown = sorted(set(primitives) - PRIMITIVES.keys())
    if unknown:
        close = difflib.get_close_matches(unknown[0], PRIMITIVES, n=1)
        raise ValueError(f"unknown primitive {unknown[0]!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    return frozenset(primitives) or None


def without_others(tokens: dict[int, Value], primitives: frozenset[str] | None) -> dict[int, Value]:
    """A table of tokens without the primitives that are not among `primitives` (None: all of them are)."""
    if primitives is None:
        return tokens
    others = {TOKEN_IDS[name] for name in PRIMITIVES if name not in primitives}
    return {token: value for token, value in tokens.items() if token not in others}


class Grammar:
    """The state machine of programs of at most `max_tokens` tokens, <eos> included.

    With `typed`, an argument's declared type must overlap with the declared type of its place, and `O` may be a
    grid. Declared types are coarse: this rules out most programs that fail, and few that do not.

    With `primitives` no other ones are written. Raises ValueError for an unknown one, or where no program is left.
    """

    def __init__(self, max_tokens: int, typed: bool = False, primitives: Collection[str] = ()) -> None:
        if max_tokens < ENDING:
            raise ValueError(f"max_tokens must be at least {ENDING} (the shortest program), not {max_tokens}")
        self.max_tokens = max_tokens
        self.typed = typed
        self.primitives = subset(primitives)
        self.heads = without_others(HEADS, self.primitives)
        self.immediates = without_others(IMMEDIATES, self.primitives)
        if not self._heads((), ENDING - 3, is_last=True):
            raise ValueError("no program could end: one of the primitives must give a grid from one argument")
        self._masks: dict[tuple[Phase, tuple[Type, ...], int, Type], Mask] = {}

    def start(self) -> State:
        """The state before the first token."""
        return State(Phase.LINE, (), 0, 0, False, 0)

    def allowed(self, state: State) -> Mask:
        """Which of PROGRAM_TOKENS may come next: a read-only row, shared by equal situations."""
        key = (state.phase, state.types, self._room(state), self._wanted(state))
        mask = self._masks.get(key)
        if mask is None:
            if len(self._masks) >= _CACHED:
                self._masks.clear()
            mask = self._masks[key] = self._mask(*key)
            mask.flags.writeable = False
        return mask

    def advance(self, state: State, token: int) -> State:
        """The state after one more token. Raises `GrammarError` if it is not allowed."""
        if not (0 <= token < len(PROGRAM_TOKENS) and self.allowed(state)[token]):
            raise refusal(token, state.phase)
        state = state._replace(used=state.used + 1)
        if state.phase is Phase.END:
            return state._replace(phase=Phase.DONE)
        if state.phase is Phase.CALLEE:
            return state._replace(phase=Phase.ARGUMENT)
        if state.phase is Phase.ARGUMENT:
            return state._replace(pending=state.pending - 1) if state.pending > 1 else self._end_line(state)
        if token == LAST_LINE:
            return state._replace(phase=Phase.HEAD, last=True)
        head = HEADS[token]
        phase = Phase.CALLEE if head.is_call else Phase.ARGUMENT
        return state._replace(phase=phase, head=token, pending=len(head.parameters))

    def _end_line(self, state: State) -> State:
        if state.last:
            return state._replace(phase=Phase.END, pending=0)
        result = HEADS[state.head].returns if self.typed else Any
        return state._replace(phase=Phase.LINE, types=(*state.types, result), pending=0)

    def _wanted(self, state: State) -> Type:
        """The type of the argument that comes next; Any where none does."""
        if not self.typed or state.phase is not Phase.ARGUMENT:
            return Any
        return HEADS[state.head].parameters[-state.pending]

    def _room(self, state: State) -> int:
        """The most tokens that may follow the head of a line begun here (0: no line; capped, so that masks are few)."""
        if state.phase is Phase.LINE:
            if len(state.types) >= len(VARIABLES):
                return 0
            room = self.max_tokens - state.used - 1 - ENDING
        elif state.phase is Phase.HEAD:
            room = self.max_tokens - state.used - 2
        else:
            return 0
        return min(max(room, 0), 1 + layout.MAX_ARITY)

    def _mask(self, phase: Phase, types: tuple[Type, ...], room: int, wanted: Type) -> Mask:
        mask = np.zeros(len(PROGRAM_TOKENS), np.bool_)
        if phase in (Phase.LINE, Phase.HEAD):
            heads = self._heads(types, room, is_last=phase is Phase.HEAD)
            mask[heads] = True
            mask[LAST_LINE] = phase is Phase.LINE
        elif phase is Phase.CALLEE:
            mask[_fitting(types, Function)] = True
        elif phase is Phase.ARGUMENT:
            mask[[token for token, type_ in self.immediates.items() if may_be(type_, wanted)]] = True
            mask[_fitting(types, wanted)] = True
        else:
            mask[EOS] = True
        return mask

    def _heads(self, types: tuple[Type, ...], room: int, is_last: bool) -> list[int]:
        """The heads that fit into the room and for whose arguments there is something."""
        known = {*types, *self.immediates.values()}
        at_hand = {wanted for wanted in Type if any(may_be(type_, wanted) for type_ in known)}
        return [
            token
            for token, head in self.heads.items()
            if len(head.parameters) + head.is_call <= room
            and (not head.is_call or _fitting(types, Function))
            and (not self.typed or at_hand.issuperset(head.parameters))
            and (not self.typed or not is_last or may_be(head.returns, Grid))
        ]


def refusal(token: int, phase: Phase) -> GrammarError:
    """What is raised over a token that may not come next."""
    name = PROGRAM_TOKENS[token] if 0 <= token < len(PROGRAM_TOKENS) else token
    return GrammarError(f"token {name!r} is not allowed in phase {phase.name.lower()}")


def _fitting(types: tuple[Type, ...], wanted: Type) -> list[int]:
    """The variables whose type may be the wanted one."""
    return [token for token, type_ in zip(_VARIABLES, types, strict=False) if may_be(type_, wanted)]
