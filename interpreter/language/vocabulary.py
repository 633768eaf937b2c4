"""Program tokens: what a policy writes.

A line costs its names and nothing else: `x1 = objects(I, T, F, F)` is `objects I T F F`, because a primitive's
arity says where the line ends and variables are defined in order. Calling a variable needs its number of
arguments: `x3 = x2(I)` is `call1 x2 I`. The last line starts with `O`, and <eos> follows it.

Invariant: there are 63 variables, whatever the machine can hold, because ids are the rows of every checkpoint. Longer
programs run, but have no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from interpreter.language.program import Line, Program, ProgramError, check, is_variable
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout

PAD, BOS, EOS = 0, 1, 2
CALLS: tuple[str, ...] = tuple(f"call{n}" for n in range(1, layout.MAX_ARITY + 1))
VARIABLES: tuple[str, ...] = tuple(f"x{k}" for k in range(1, 64))

# Every program token; the index is its id. Order: specials, structure, variables, constants, primitives by name.
PROGRAM_TOKENS: tuple[str, ...] = (
    "<pad>", "<bos>", "<eos>", "O", *CALLS, "I", *VARIABLES, *CONSTANTS, *sorted(PRIMITIVES),
)  # fmt: skip
TOKEN_IDS: dict[str, int] = {token: index for index, token in enumerate(PROGRAM_TOKENS)}
LAST_LINE = TOKEN_IDS["O"]


def has_tokens(program: Program) -> bool:
    """Whether the vocabulary has all variables of a program."""
    return len(program.lines) <= len(VARIABLES) + 1


def check_tokens(program: Program) -> None:
    """Raise `ProgramError` where a program has variables that the vocabulary has not."""
    if not has_tokens(program):
        raise ProgramError(len(VARIABLES) + 1, f"more than the {len(VARIABLES)} variables that a policy writes")


def tokenize(program: Program) -> list[int]:
    """Token ids of a program, <eos> included. Raises `ProgramError` where it has more variables than VARIABLES."""
    check_tokens(program)
    tokens: list[str] = []
    for number, line in enumerate(program.lines, 1):
        if number == len(program.lines):
            tokens.append("O")
        if is_variable(line.function):
            tokens.append(CALLS[len(line.arguments) - 1])
        tokens.extend(line.names())
    return [TOKEN_IDS[token] for token in tokens] + [EOS]


def detokenize(ids: Sequence[int]) -> Program:
    """The program of token ids, up to and including the first <eos>. Raises `ProgramError`."""
    reader = _Reader(ids)
    lines: list[Line] = []
    last = False
    while not last:
        last = reader.take_if("O")
        head = reader.take(len(lines) + 1)
        if head in CALLS:
            names = [reader.take(len(lines) + 1) for _ in range(2 + CALLS.index(head))]
            lines.append(Line(names[0], tuple(names[1:])))
        elif head in PRIMITIVES:
            arguments = [reader.take(len(lines) + 1) for _ in range(PRIMITIVES[head].arity)]
            lines.append(Line(head, tuple(arguments)))
        else:
            raise ProgramError(len(lines) + 1, f"a line cannot start with {head!r}")
    if reader.take(len(lines)) != "<eos>":
        raise ProgramError(len(lines), "the line that defines `O` must be the last")
    program = Program(tuple(lines))
    check(program)
    check_tokens(program)
    return program


def _token(token: int) -> str:
    if not 0 <= token < len(PROGRAM_TOKENS):
        raise ProgramError(1, f"id {token} is no program token (there are {len(PROGRAM_TOKENS)})")
    return PROGRAM_TOKENS[token]


class _Reader:
    """Takes tokens in order; running out of them is a `ProgramError`."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids
        self._next = 0

    def take(self, line: int) -> str:
        if self._next == len(self._ids):
            raise ProgramError(line, "the tokens end in the middle of the program")
        self._next += 1
        return _token(self._ids[self._next - 1])

    def take_if(self, token: str) -> bool:
        found = self._next < len(self._ids) and self._ids[self._next] == TOKEN_IDS[token]
        self._next += found
        return found
