"""Wild programs for the fuzzers: mutants of real programs, typed and untyped, and walks through the grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from interpreter.language.grammar import Grammar, Phase
from interpreter.language.program import Line, Program, is_variable
from interpreter.language.symbols import Symbols
from interpreter.language.vocabulary import detokenize
from interpreter.mutation.mutator import Mutator, Rates
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.runtime import layout

# One change, in about every third mutant a second one, and so on; all operations.
VARIED = Rates(cut=0.1, splice=0.1, constant=0.1, again=0.35)
CHANGES = (1, 1, 2, 3)  # changes of an untyped mutant, drawn from these
TRIES = 100  # to find a mutant that differs from its program
_BY_ARITY = {n: [p.name for p in PRIMITIVES.values() if p.arity == n] for n in range(1, layout.MAX_ARITY + 1)}


def mutants(program: Program, generator: np.random.Generator, limit: int, attempts: int) -> Iterator[Program]:
    """Up to `limit` text-distinct typed mutants of one program, itself excluded, found in at most `attempts` tries."""
    if limit == 0:
        return iter(())
    mutator = Mutator(Symbols.pack([program.pruned()]), rates=VARIED)
    found = mutator.mutants(limit, int(generator.integers(1 << 62)), attempts).programs
    return (found.program(k) for k in range(len(found)))


def mutant(program: Program, generator: np.random.Generator) -> Program:
    """`program` with one change or a few: by `mutants` in one half, by `mutate_untyped` in the other."""
    if generator.integers(2):
        for changed in mutants(program, generator, 1, TRIES):
            return changed
    for _ in range(TRIES):
        changed = program
        for _ in range(CHANGES[generator.integers(len(CHANGES))]):
            changed = mutate_untyped(changed, generator)
        if changed != program:
            return changed
    raise ValueError(f"no mutant found of {program.text!r}")


def mutate_untyped(program: Program, generator: np.random.Generator) -> Program:
    """`program` with one name replaced by any other, without lines that are no longer needed.

    A function gives way to a primitive of the same arity or to a variable, an argument to a grid or variable, to a
    constant or to a primitive, each kind as often as the others.
    """
    number = int(generator.integers(len(program.lines)))
    names = list(program.lines[number].names())
    place = int(generator.integers(len(names)))
    variables = [f"x{k}" for k in range(1, number + 1)]
    if place == 0:
        kinds = [_BY_ARITY[len(names) - 1], variables] if is_variable(names[0]) else [_BY_ARITY[len(names) - 1]]
    else:
        kinds = [["I", *variables], list(CONSTANTS), list(PRIMITIVES)]
    kinds = [kind for kind in kinds if kind]
    names[place] = _pick(_pick(kinds, generator), generator)
    changed = Line(names[0], tuple(names[1:]))
    return Program((*program.lines[:number], changed, *program.lines[number + 1 :])).pruned()


def walk(grammar: Grammar, generator: np.random.Generator) -> Program:
    """A random program: a walk through the grammar, every token as likely as the others that may stand there."""
    state, tokens = grammar.start(), []
    while state.phase is not Phase.DONE:
        token = int(_pick(np.flatnonzero(grammar.allowed(state)), generator))
        tokens.append(token)
        state = grammar.advance(state, token)
    return detokenize(tokens)


def _pick(choices: Sequence, generator: np.random.Generator) -> object:
    return choices[int(generator.integers(len(choices)))]
