"""Seed programs: the embedded ones, and those of other people's files.

Invariant: a file of programs is data; Python is read as syntax and never run. Others import what stands here.

    seed        programs with their tasks             files          every form that is read
    check       what a set of seeds covers            imports        `codeit seeds import`
    solver_source  Python functions as programs     function_body  their statements as lines
"""

from engine.seeds.seed import Seed, load_seeds

__all__ = ["Seed", "load_seeds"]
