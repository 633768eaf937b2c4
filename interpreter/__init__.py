"""The grid language and nothing else: primitives, programs, virtual machine, and what makes programs.

Each folder imports only those above it.

    runtime/       values in the arena: layout, construction, order; what talks to Numba
    primitives/    the 160 primitives, and the one table of their names, types and opcodes
    language/      programs: text, tokens, grammar, types, arrays, bytecode
    machine/       running bytecode: machine, process pool, screening, profile
    mutation/      typed mutants of programs
    enumeration/   programs bottom-up, in order of cost
    encoding/      experiences as tokens
    dropin/        arc-dsl's names on plain Python values

`compilation` compiles or loads all of it at once.
"""

from interpreter.aliases import short_names

short_names(
    "interpreter",
    {
        "digests": "runtime.digests",
        "dsl": "dropin.dsl",
        "grammar": "language.grammar",
        "kinds": "machine.kinds",
        "outcome": "runtime.outcome",
        "pool": "machine.pool",
        "profile": "machine.profile",
        "program": "language.program",
        "screening": "machine.screening",
        "symbols": "language.symbols",
        "types": "primitives.types",
        "vocabulary": "language.vocabulary",
    },
)
