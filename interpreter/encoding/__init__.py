"""Experiences as tokens, compiled: what a codec writes of compact grids and canonical texts, without an object a cell.

Invariants: nothing here decides what a token is, ids are the caller's or the vocabulary's; what is written is what the
readable codec (`trainer.codec`) and `interpreter.language` write of the same, or the row says that it is left to them.
No byte is read outside of a row, whatever the row says.

    grids     compact grids, and their tokens      programs  canonical texts as program tokens
    examples  whole examples: prompts that keep the demonstrations that fit, and programs
"""
