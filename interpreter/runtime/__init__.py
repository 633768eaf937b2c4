"""Values in the arena, and what compiles the code that works on them.

Invariants: a value is one handle (`values`); equal values have one representation; failure is sticky, so that code
which goes on writes nothing; `native` alone compiles. Imported by all of `interpreter`; outside of it only
`digests` and `outcome` are.

    layout      words of the arena                    native     compilation: what, when, and the check before use
    pointers    memory and calls, the checked build   compiled/  what compiled code is kept by, and where
    values      handles and failure                   outcome    the ways a run can end
    blocks      allocation, containers, grids         locations  patches and their bounds
    ordering    comparing, fingerprints, sets         calls      function values and closures
    arena       reset, rollback, grids from outside   hash_table probing of tables, written once
    interning   values that are there once            digests    grids as one number each
"""
