"""Compiled code beside the code: what it is kept by, and where.

    fingerprints   what decides the machine code of a function, as a hash
    cache          compiled code on disk, and who is trusted with it

`native` alone compiles; nothing here imports Numba.
"""
