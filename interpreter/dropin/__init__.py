"""The language's values as plain Python: arc-dsl's names (`interpreter.dsl`), and what the lines of a program gave.

Invariants: values cross the border as messages of words, so that nothing outside knows how a block looks. Users import
`interpreter.dsl`; the project outside imports `trace` alone.

    dsl         the names                             conversion  Python values and messages
    messages    messages and values, compiled       arc_types   types for annotations
    trace       the value of every line of a program
"""
