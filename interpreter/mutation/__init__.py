"""Typed mutation: programs that differ from others in an argument, a function or a definition.

Invariants: what comes out is a program whose places fit; the same parents, rates and seed give the same mutants on any
machine. Others import what stands here.

    mutator     parents, rates, batches of mutants
    generation  the compiled loop                     edits       the compiled changes of one program
"""

from interpreter.mutation.mutator import OPERATIONS, Mutants, Mutator, Rates, Seen, program_keys

__all__ = ["OPERATIONS", "Mutants", "Mutator", "Rates", "Seen", "program_keys"]
